"""What the service cannot work without. Readiness knows of it, liveness never does.

A probe only looks up what a thread found out last: it is answered at once, whatever the dependency
does, and each pod asks it every few seconds, however often it is probed.
"""

import logging
import time
from collections.abc import Callable

from flask import Flask

from service import background

log = logging.getLogger(__name__)

EVERY = 5.0  # seconds between two checks: as often as the readiness probe asks
FRESH = 3  # checks that may be late, or hang, before what the last one found is worth nothing


class Dependencies:
    """Which of them work, and until when that is believed; one of these an app."""

    def __init__(self) -> None:
        self._good_until: dict[str, float] = {}

    def missing(self) -> list[str]:
        """Return the names of those that do not work as far as is known."""
        now = time.monotonic()
        return [name for name, until in list(self._good_until.items()) if until < now]

    def require(self, name: str, check: Callable[[], object], every: float = EVERY) -> None:
        """Be unready until `check` returns, and while it raises; it is called in its own thread."""
        self._good_until[name] = 0.0
        found = None  # by the last check

        def look() -> None:
            nonlocal found
            before = found
            try:
                check()
            except Exception as problem:
                self._good_until[name], found = 0.0, False
                if found is not before:
                    log.warning("not ready: %s: %s", name, problem)
            else:
                self._good_until[name], found = time.monotonic() + FRESH * every, True
                if found is not before:
                    log.info("%s works", name)

        background.every(every, look, name)


def init_app(app: Flask) -> None:
    """Begin without any."""
    app.extensions["dependencies"] = Dependencies()
