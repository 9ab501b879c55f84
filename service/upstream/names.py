"""Addresses of a host, looked up beside the call: getaddrinfo() itself knows no timeout."""

import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeAlias

Address: TypeAlias = tuple[int, int, int, Any]  # family, type, protocol and what connect() takes


def look_up(host: str, port: int, flags: int = 0) -> list[Address]:
    """Return the addresses of a host; raises gaierror."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, kind, protocol, address) for family, kind, protocol, _, address in found]


class Names:
    """Looks each name up once at a time, however many wait for it, so that threads stay few."""

    def __init__(self, look_up: Callable[[str, int], list[Address]] = look_up) -> None:
        self._look_up = look_up
        self._lookups: dict[tuple[str, int], Future[list[Address]]] = {}
        self._lock = threading.Lock()

    def addresses(self, host: str, port: int, seconds: float) -> list[Address]:
        """Return where to connect to; raises OSError, of which TimeoutError is one."""
        try:
            return look_up(host, port, socket.AI_NUMERICHOST)
        except (socket.gaierror, UnicodeError):  # the latter for what is no name at all
            return self._lookup(host, port).result(seconds)

    def _lookup(self, host: str, port: int) -> "Future[list[Address]]":
        with self._lock:
            found = self._lookups.get((host, port))
            if found is None:
                found = Future()
                thread = threading.Thread(target=self._run, args=(host, port, found), daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    raise OSError(str(error)) from error
                self._lookups[host, port] = found
            return found

    def _run(self, host: str, port: int, found: "Future[list[Address]]") -> None:
        try:
            addresses = self._look_up(host, port)
        except Exception as error:  # whatever it is, somebody waits
            failure: Exception | None = OSError(str(error))
        else:
            failure = None
        with self._lock:
            self._lookups.pop((host, port), None)
        if failure:
            found.set_exception(failure)
        else:
            found.set_result(addresses)
