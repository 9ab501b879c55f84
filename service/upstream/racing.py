"""Connecting with another attempt before the last one is given up, as RFC 8305 has it.

A packet that is lost costs a quarter of a second then, and not the second after which the kernel
sends it again. Where a host has one address, all attempts go to that: behind a Service each of them
may reach another pod. An address that fails at once is not tried again by this call.
"""

import errno
import os
import socket
import time
from collections import deque
from collections.abc import Callable
from itertools import cycle, islice
from selectors import EVENT_WRITE, DefaultSelector
from typing import TypeAlias

from service.upstream.names import Address

DELAY = 0.25  # seconds from one attempt to the next: RFC 8305 section 5
LEAST = 4  # attempts, also where there are fewer addresses: those of the first second

Make: TypeAlias = Callable[[int, int, int], socket.socket]


def race(addresses: list[Address], until: float, make: Make) -> socket.socket:
    """Return the connection that is there first, and close the others; `until` is monotonic.

    An address that refuses is not asked again. Raises OSError (TimeoutError is one).
    """
    left = deque(islice(cycle(addresses), max(LEAST, len(addresses))))
    error = OSError("there is no address")
    following = 0.0  # when the next attempt begins
    with DefaultSelector() as selector:
        try:
            while left or selector.get_map():
                now = time.monotonic()
                if now >= until:
                    raise TimeoutError("no connection in time")
                failed: list[tuple[Address, int]] = []
                if left and (now >= following or not selector.get_map()):
                    following, address = now + DELAY, left.popleft()
                    if code := begin(selector, address, make):
                        failed.append((address, code))
                end = now if failed else min(following, until) if left else until
                for key, _ in selector.select(max(0.0, end - now)):
                    sock: socket.socket = key.fileobj  # type: ignore[assignment]
                    selector.unregister(sock)
                    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if not code:
                        return sock
                    sock.close()
                    failed.append((key.data, code))
                for address, code in failed:
                    error, following = OSError(code, os.strerror(code)), 0.0
                    left = deque(other for other in left if other != address)
        finally:
            for key in selector.get_map().values():
                key.fileobj.close()  # type: ignore[union-attr]
    raise error


def begin(selector: DefaultSelector, address: Address, make: Make) -> int:
    """Begin to connect; returns the error number if it fails at once, else 0.

    The selector tells when it has ended, well or not.
    """
    family, kind, protocol, place = address
    try:
        sock = make(family, kind, protocol)
    except OSError as error:  # no such family here, or no descriptor
        return error.errno or errno.EIO
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = sock.connect_ex(place)
        if code in (0, errno.EINPROGRESS):
            selector.register(sock, EVENT_WRITE, address)
            return 0
    except OSError as error:
        code = error.errno or errno.EIO
    sock.close()
    return code
