"""What a dependency's failure looks like to clients, in the log and in the metrics.

An outage is a line when it begins and one when it is over, and 503 for each request it fails.
"""

import logging
import threading
import time
from collections.abc import Callable

from flask import Flask
from prometheus_client import CollectorRegistry, Counter
from werkzeug.exceptions import HTTPException, ServiceUnavailable
from werkzeug.wrappers import Response

from service.errors import problem

log = logging.getLogger(__name__)

QUIET = 5.0  # seconds without a failure, before a success ends an outage: as Dependencies checks
FORGOTTEN = 60.0  # seconds without a failure, after which the next one is a new outage
LONGEST = 300  # characters of an exception's message that are logged


class Outage:
    """Whether one dependency fails, for the log."""

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self.name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0  # of this outage
        self._latest = 0.0  # when the last one was

    def failed(self, failure: BaseException) -> None:
        """Log the first failure of an outage, without traceback: the cause is not in this code."""
        with self._lock:
            now = self._clock()
            begins = not self._failures or now > self._latest + FORGOTTEN
            self._failures = 1 if begins else self._failures + 1
            self._latest = now
        if begins:
            log.error("%s fails: %s: %s", self.name, type(failure).__name__, first_line(failure))

    def worked(self) -> bool:
        """Log the end of an outage, unless there was a failure a moment ago.

        Returns whether there is or was one, of which the log says the end then or later.
        """
        if not self._failures:
            return False
        with self._lock:
            if self._clock() < self._latest + QUIET:
                return True
            failures, self._failures = self._failures, 0
        if failures:
            log.info("%s works again, after %d failures", self.name, failures)
        return True


class Outages:
    """The dependencies whose exceptions are answered with 503; one of these an app."""

    def __init__(self, app: Flask, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._clock = clock
        self._outages: dict[str, Outage] = {}
        registry: CollectorRegistry = app.extensions["metrics_registry"]
        self._failures = Counter(
            "hellopod_dependency_failures",
            "Requests that failed because a dependency did",
            ["dependency"],
            registry=registry,
        )

    def register(self, name: str, *exceptions: type[Exception], retry_after: int = 5) -> None:
        """Answer 503 where one of these exceptions leaves a handler; Retry-After is in seconds.

        A handler for a class below one of these comes first, as do those of a blueprint. Call this
        while the app is built. Raises ValueError for what would hide a mistake in the code, or has
        a handler already.
        """
        if name in self._outages:
            raise ValueError(f"{name!r} is registered already")
        if not exceptions or len(set(exceptions)) < len(exceptions) or retry_after < 1:
            raise ValueError(
                f"{name!r} needs exceptions, each once, and a retry_after of 1 s or more"
            )
        for each in exceptions:
            self._check(name, each)
        outage = self._outages[name] = Outage(name, self._clock)
        count = self._failures.labels(name)

        def answer(error: Exception) -> Response:
            count.inc()
            outage.failed(error)
            # Nothing of the exception's text, which may name hosts, users and statements.
            return problem(
                ServiceUnavailable(f"The {name} does not answer.", retry_after=retry_after)
            )

        for each in exceptions:
            self._app.register_error_handler(each, answer)

    def _check(self, name: str, exception: type[Exception]) -> None:
        if exception in (Exception, BaseException):
            raise ValueError(f"{name!r} cannot have {exception.__name__}: every mistake is one")
        if issubclass(exception, HTTPException):
            raise ValueError(f"{name!r} cannot have {exception.__name__}: it is an answer already")
        if exception in self._app.error_handler_spec[None][None]:
            raise ValueError(f"{name!r} cannot have {exception.__name__}: it has a handler already")

    def works(self, name: str) -> bool:
        """Note that a dependency does what it should, which ends its outage after QUIET seconds.

        A check that Dependencies knows by the same name calls this by itself. Returns whether there
        is or was an outage, whose end the log says; there is none of an unknown name.
        """
        outage = self._outages.get(name)
        return outage is not None and outage.worked()


def first_line(failure: BaseException) -> str:
    """Return what an exception says; SQL and its parameters, which hold data, come below that."""
    return str(failure).partition("\n")[0][:LONGEST]


def init_app(app: Flask) -> None:
    """Begin without any."""
    app.extensions["outages"] = Outages(app)
