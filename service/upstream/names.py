"""Addresses of a host, looked up beside the call: getaddrinfo() itself knows no timeout."""

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeAlias

Address: TypeAlias = tuple[int, int, int, Any]  # family, type, protocol and what connect() takes
Found: TypeAlias = "Future[list[Address]]"

# Seconds that a lookup may take before the last addresses of the name serve in its place.
PATIENCE = 0.25
# Seconds for which they may. RFC 8767 allows days, but a pod's address may soon be another pod's.
STALE = 60.0


class NoAnswer(OSError):
    """Nobody has said whether there is such a name."""


def look_up(host: str, port: int, flags: int = 0) -> list[Address]:
    """Return the addresses of a host; raises gaierror."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, kind, protocol, address) for family, kind, protocol, _, address in found]


class Names:
    """Looks each name up once at a time, however many wait for it, so that threads stay few.

    While nobody answers, a name has its last addresses (RFC 8767).
    """

    def __init__(
        self,
        look_up: Callable[[str, int], list[Address]] = look_up,
        stale: float = STALE,
    ) -> None:
        self._look_up = look_up
        self._stale = stale
        self._lookups: dict[tuple[str, int], tuple[float, Found]] = {}  # when each began
        self._last: dict[
            tuple[str, int], tuple[float, list[Address]]
        ] = {}  # when the last one ended
        self._lock = threading.Lock()

    def addresses(self, host: str, port: int, seconds: float) -> list[Address]:
        """Return where to connect to; raises OSError (TimeoutError is one)."""
        try:
            return look_up(host, port, socket.AI_NUMERICHOST)
        except (socket.gaierror, UnicodeError):  # the latter for what is no name at all
            began, found = self._lookup(host, port)
        ended, last = self._last.get((host, port), (0.0, []))
        now = time.monotonic()
        if not last or now - ended > self._stale:
            return found.result(seconds)
        try:
            return found.result(min(seconds, max(0.0, began + PATIENCE - now)))
        except (TimeoutError, NoAnswer):
            return last

    def _lookup(self, host: str, port: int) -> tuple[float, Found]:
        with self._lock:
            lookup = self._lookups.get((host, port))
            if lookup is None:
                found: Found = Future()
                lookup = time.monotonic(), found
                thread = threading.Thread(
                    target=self._run,
                    args=(host, port, found),
                    name=f"lookup of {host}",
                    daemon=True,
                )
                try:
                    thread.start()
                except RuntimeError as error:
                    raise OSError(str(error)) from error
                self._lookups[host, port] = lookup
            return lookup

    def _run(self, host: str, port: int, found: Found) -> None:
        try:
            addresses = self._look_up(host, port)
        except socket.gaierror as error:
            again = error.errno == socket.EAI_AGAIN
            failure: Exception | None = NoAnswer(str(error)) if again else OSError(str(error))
        except Exception as error:  # whatever it is, somebody waits
            failure = OSError(str(error))
        else:
            failure = None
        with self._lock:
            self._lookups.pop((host, port), None)
            if not failure:
                self._last[host, port] = time.monotonic(), addresses
            elif not isinstance(failure, NoAnswer):  # somebody has answered: it is gone
                self._last.pop((host, port), None)
        if failure:
            found.set_exception(failure)
        else:
            found.set_result(addresses)
