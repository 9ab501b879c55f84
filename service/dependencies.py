"""What the service cannot work without. Readiness knows of it, liveness never does.

A probe only looks up what a thread found out last: it is answered at once, whatever the dependency
does, and each pod asks it every few seconds, however often it is probed.
"""

import logging
import time
from collections.abc import Callable

from flask import Flask
from prometheus_client import CollectorRegistry, Gauge

from service import background

log = logging.getLogger(__name__)

EVERY = 5.0  # seconds between two checks: as often as the readiness probe asks
FRESH = 3  # checks that may be late, or hang, before what the last one found is worth nothing


class Dependencies:
    """Which of them work, and until when that is believed; one of these an app.

    `works` is called with the name of one whenever its check has passed.
    """

    def __init__(self, registry: CollectorRegistry, works: Callable[[str], None]) -> None:
        self._good_until: dict[str, float] = {}
        self._watched: set[str] = set()  # those that readiness does not ask for
        self._works = works
        self._up = Gauge(
            "hellopod_dependency_up",
            "Whether the last check of a dependency passed, and not long ago",
            ["dependency"],
            registry=registry,
        )

    def missing(self) -> list[str]:
        """Return the names of those that do not work as far as is known, and readiness needs."""
        needed = (name for name in list(self._good_until) if name not in self._watched)
        return [name for name in needed if not self.is_up(name)]

    def is_up(self, name: str) -> bool:
        """Tell whether one works, as far as is known."""
        return time.monotonic() <= self._good_until[name]

    def require(
        self, name: str, check: Callable[[], object], every: float = EVERY, ready: bool = True
    ) -> None:
        """Be unready until `check` returns, and while it raises; it is called in its own thread.

        With `ready=False` the check counts in log and metrics alone. That is right for what all
        pods share: without it no other pod is better. Raises ValueError for a name that is taken.
        """
        if name in self._good_until:
            raise ValueError(f"{name!r} is a dependency already")
        if not ready:
            self._watched.add(name)
        self._good_until[name] = 0.0
        self._up.labels(name).set_function(lambda: self.is_up(name))
        fails = "not ready: %s: %s" if ready else "%s does not work: %s"
        found = None  # by the last check

        def look() -> None:
            nonlocal found
            before = found
            try:
                check()
            except Exception as problem:
                self._good_until[name], found = 0.0, False
                if found is not before:
                    log.warning(fails, name, problem)
            else:
                self._good_until[name], found = time.monotonic() + FRESH * every, True
                if found is not before:
                    log.info("%s works", name)
                self._works(name)

        background.every(every, look, name)


def init_app(app: Flask) -> None:
    """Begin without any; those that have outages too end them."""
    extensions = app.extensions
    extensions["dependencies"] = Dependencies(
        extensions["metrics_registry"], extensions["outages"].works
    )
