"""Answers failures of dependencies with 503, and counts them."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from flask import Flask
from prometheus_client import Counter
from werkzeug.exceptions import HTTPException, ServiceUnavailable
from werkzeug.wrappers import Response

from service.errors import problem
from service.http1.head import ProtocolError
from service.outage_log import Outage
from service.request import current_request
from service.uncaught import Uncaught

DEEPEST = 10  # causes of causes to look at; they may go round in a circle


class Dependency(NamedTuple):
    """The outage of a dependency, the count of failed requests, and Retry-After in seconds."""

    outage: Outage
    failures: Counter
    retry_after: int


class Outages:
    """The dependencies whose exceptions are answered with 503; one of these an app."""

    def __init__(self, app: Flask, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._outages: dict[str, Outage] = {}
        self._dependencies: dict[type[BaseException], Dependency] = {}  # by class of an exception
        self._handlers = app.error_handler_spec[None][None]
        self._handle: Callable[..., None] = app.register_error_handler
        app.register_error_handler = self._register_handler  # type: ignore[method-assign]
        Uncaught(app, self)
        self._failures = Counter(
            "hellopod_dependency_failures",
            "Requests that failed because a dependency did",
            ["dependency"],
            registry=app.extensions["metrics_registry"],
        )

    def register(self, name: str, *exceptions: type[Exception], retry_after: int = 5) -> None:
        """Answer 503 where one of these exceptions leaves a request; Retry-After is in seconds.

        A handler for a class below one of these comes first, as do those of a blueprint. Call this
        while the app is built. Raises ValueError for Exception, for an HTTP error, and for a class
        that has a handler; to register one for these classes later raises it, too.
        """
        if name in self._outages:
            raise ValueError(f"{name!r} is registered already")
        if not exceptions or len(set(exceptions)) < len(exceptions) or retry_after < 1:
            need = "exceptions, each once, and a retry_after of 1 s or more"
            raise ValueError(f"{name!r} needs {need}")
        for each in exceptions:
            self._check(name, each)
        outage = self._outages[name] = Outage(name, self._clock)
        dependency = Dependency(outage, self._failures.labels(name), retry_after)
        for each in exceptions:
            self._handle(each, lambda error: self.answer(error, current_request().environ))
            self._dependencies[each] = dependency

    def _check(self, name: str, exception: type[Exception]) -> None:
        if exception in (Exception, BaseException):
            raise ValueError(f"{name!r} cannot have {exception.__name__}: every mistake is one")
        if issubclass(exception, HTTPException):
            raise ValueError(f"{name!r} cannot have {exception.__name__}: it is an answer already")
        if exception in self._handlers:
            raise ValueError(f"{name!r} cannot have {exception.__name__}: it has a handler already")

    def _register_handler(self, code_or_exception: Any, f: Callable[..., Any]) -> None:
        """Register a handler of the app; refuse one for a class of ours: it would replace ours."""
        if ours := self._dependencies.get(code_or_exception):
            kind = code_or_exception.__name__
            raise ValueError(f"{kind} has a handler already: that of {ours.outage.name!r}")
        self._handle(code_or_exception, f)

    def are_known(self) -> bool:
        """Return whether any exception is registered."""
        return bool(self._dependencies)

    def is_known(self, error: BaseException) -> bool:
        """Return whether an exception is, or was raised from, one that is registered."""
        return self._found(error) is not None

    def answer(self, error: BaseException, environ: dict[str, Any]) -> Response | None:
        """Return the answer to a failure; None for an exception that is no failure.

        Log and metric count each dependency once a request.
        """
        found = self._found(error)
        if found is None:
            return None
        (outage, failures, retry_after), failure = found
        failed = environ.setdefault("hellopod.failed_dependencies", set())
        if outage not in failed:
            failed.add(outage)
            failures.inc()
            outage.failed(failure)
        # Nothing of the exception's text: that may name hosts, users and statements.
        detail = f"The {outage.name} does not answer."
        return problem(ServiceUnavailable(detail, retry_after=retry_after))

    def _found(
        self, error: BaseException | None, deepest: int = DEEPEST
    ) -> tuple[Dependency, BaseException] | None:
        """Find the failure in an exception: itself, its cause, or all of a group.

        A cause is what `raise ... from` names. What an `except` block raises without it may be a
        mistake, and does not count. A group counts if all its exceptions do.
        """
        if not deepest or error is None or isinstance(error, ProtocolError):
            return None  # a client's bad request is no outage, though it is an OSError
        for kind in type(error).__mro__:
            if dependency := self._dependencies.get(kind):
                return dependency, error
        if isinstance(error, BaseExceptionGroup):
            found = [self._found(each, deepest - 1) for each in error.exceptions]
            return found[0] if all(found) else None
        return self._found(error.__cause__, deepest - 1)

    def fails(self, name: str, failure: BaseException, may_begin: bool) -> bool:
        """Note that a check failed, and return whether the outage's lines say so.

        No request is counted. False for an unknown name, and for a beginning that may not be.
        """
        outage = self._outages.get(name)
        return outage is not None and outage.failed(failure, may_begin)

    def explains(self, error: BaseException, may_begin: bool) -> bool:
        """Do the same for a task, which has no name here: its exception says which one failed."""
        found = self._found(error)
        return found is not None and found[0].outage.failed(found[1], may_begin)

    def works(self, name: str) -> bool:
        """Note that a dependency does what it should. This ends its outage after QUIET seconds.

        A check that Dependencies knows by the same name calls this by itself. Returns whether there
        is or was an outage: the log tells its end, now or later. False for an unknown name.
        """
        outage = self._outages.get(name)
        return outage is not None and outage.worked()


def init_app(app: Flask) -> None:
    """Begin without any."""
    app.extensions["outages"] = Outages(app)
