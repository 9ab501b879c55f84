"""Checks of what the service depends on. Readiness may ask for them, liveness never does.

A thread runs each check every few seconds. A probe only reads the last result. So it is answered at
once, whatever the dependency does, and many probes do not ask the dependency more often.
"""

import logging
from collections.abc import Callable

from flask import Flask
from prometheus_client import CollectorRegistry, Gauge

from service import background
from service.checks import Check, Unanswered
from service.outage_log import first_line
from service.outages import Outages

log = logging.getLogger(__name__)

EVERY = 5.0  # seconds between two checks: as often as the readiness probe asks
TIMEOUT = 5.0  # seconds of a check: as REQUEST_TIMEOUT by default, the budget of calls


class Dependencies:
    """Which dependencies work; one of these an app.

    `outages` hears of each check, and logs those of the names that it knows. `at_end` gets a
    function that ends a check, for the worker's end.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        outages: Outages,
        at_end: Callable[[Callable[[], None]], None],
    ) -> None:
        self._up: dict[str, bool] = {}  # by name: whether the last check passed
        self._watched: set[str] = set()  # those that readiness does not ask for
        self._outages = outages
        self._at_end = at_end
        self._gauge = Gauge(
            "hellopod_dependency_up",
            "Whether the last check of a dependency passed",
            ["dependency"],
            registry=registry,
        )

    def missing(self) -> list[str]:
        """Return the names of those that readiness needs and whose last check did not pass."""
        return [name for name, up in list(self._up.items()) if not up and name not in self._watched]

    def is_up(self, name: str) -> bool:
        """Tell whether the last check of one passed."""
        return self._up[name]

    def require(
        self,
        name: str,
        check: Callable[[], object],
        every: float = EVERY,
        ready: bool = True,
        timeout: float = TIMEOUT,
    ) -> None:
        """Be unready until `check` returns, and while it raises or takes longer than `timeout`.

        It is called in threads of its own, every `every` seconds. With `ready=False` it counts in
        log and metrics alone. That is right for what all pods share: while it is down, no other pod
        would serve better. Raises ValueError for a name that is taken, or a timeout of 0 s or less.
        """
        if name in self._up:
            raise ValueError(f"{name!r} is a dependency already")
        checking = Check(name, check, timeout)
        if not ready:
            self._watched.add(name)
        self._up[name] = False
        self._gauge.labels(name).set_function(lambda: self.is_up(name))
        fails = "not ready: %s: %s" if ready else "%s does not work: %s"
        found = ""  # by the last check

        def look() -> None:
            nonlocal found
            before = found
            try:
                checking.run()
            except BaseException as problem:  # SystemExit too: it would end this thread unseen
                self._up[name] = False
                found = "hangs" if isinstance(problem, Unanswered) else "fails"
                first = found != before
                # A pod that leaves the Service says so, whoever else knows of the outage.
                told = not ready and self._outages.fails(name, problem, may_begin=first)
                if first and not told:
                    log.warning(fails, name, first_line(problem))
            else:
                self._up[name], found = True, "works"
                if not self._outages.works(name) and found != before:
                    log.info("%s works", name)

        self._at_end(background.every(every, look, name))


def init_app(app: Flask) -> None:
    """Begin without any."""
    extensions = app.extensions
    extensions["dependencies"] = Dependencies(
        extensions["metrics_registry"], extensions["outages"], extensions["closing"].add
    )
