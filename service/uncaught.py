"""Failures of a dependency where Flask's error handlers do not see them.

Flask calls error handlers for what a view or a hook before it raises, and looks at the exception's
own class alone. Three kinds escape it: what a hook behind the view or a teardown function raises,
what a part of a stream raises, and what was raised `from` a dependency's exception. Flask answers
500, or cuts the response. Here they are answered with 503 as long as that is possible.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from flask import Flask, request_finished
from flask import Response as FlaskResponse
from flask.globals import request_ctx
from werkzeug.wrappers import Response

from service.http1.head import ProtocolError
from service.request import current_request
from service.response import Body

if TYPE_CHECKING:
    from wsgiref.types import StartResponse


class Failures(Protocol):
    """What knows the exceptions of dependencies."""

    def are_known(self) -> bool:
        """Return whether there are any to look for."""

    def answer(self, error: BaseException, environ: dict[str, Any]) -> Response | None:
        """Count one of these, and return its answer; None for any other exception."""


class Uncaught:
    """What a Flask app does at the ends that are not covered by its error handlers."""

    def __init__(self, app: Flask, failures: Failures) -> None:
        self._app = app
        self._failures = failures
        self._handle = app.handle_exception
        self._serve = app.wsgi_app
        app.handle_exception = self.handle  # type: ignore[assignment, method-assign]
        app.wsgi_app = self.serve  # type: ignore[assignment, method-assign]

    def handle(self, error: Exception) -> FlaskResponse:
        """Answer what no handler has: behind the view, in a handler, or with a failure as cause."""
        answer = self._failures.answer(error, current_request().environ)
        if answer is None:
            return self._handle(error)
        response = self._after(self._app.make_response(answer))
        request_finished.send(self._app, _async_wrapper=self._app.ensure_sync, response=response)
        return response

    def _after(self, response: FlaskResponse) -> FlaskResponse:
        """Call what stands behind a view; one of these may have failed, and fails again."""
        asked, hooks = current_request(), self._app.after_request_funcs
        after = [*request_ctx._after_request_functions]
        for name in (*asked.blueprints, None):
            after += reversed(hooks.get(name, ()))
        for hook in after:
            try:
                response = self._app.ensure_sync(hook)(response)
            except Exception as error:
                if not self._failures.answer(error, asked.environ):
                    self._app.log_exception(sys.exc_info())
        return response

    def serve(self, environ: dict[str, Any], respond: "StartResponse") -> Iterable[bytes]:
        """Serve a request; hold its head back until the first part is there, and 503 possible."""
        if not self._failures.are_known():
            return self._serve(environ, respond)
        head: list[Any] = []
        body: Iterable[bytes] = ()

        def start_response(*args: Any) -> Any:
            head[:] = args

        try:
            body = self._serve(environ, start_response)
            close = partial(self._close, getattr(body, "close", bool), environ)
            if type(body) is Body:
                body.close = close
            else:
                body = Parts(body, partial(self._cut, environ), close)
                body.begin()
        except BaseException as error:
            if type(body) is Parts:
                body.close()
            answer = self._failures.answer(error, environ)
            if answer is None:
                raise
            return answer(environ, respond)
        respond(*head)
        return body

    def _cut(self, environ: dict[str, Any], error: Exception) -> None:
        """Have the runtime cut a response without a traceback: it is too late for another one."""
        if self._failures.answer(error, environ):
            raise ProtocolError(503, "A dependency does not answer.") from error

    def _close(self, close: Callable[[], object], environ: dict[str, Any]) -> None:
        try:
            close()
        except Exception as error:
            if not self._failures.answer(error, environ):
                raise


class Parts:
    """The parts of a response; `cut` is called with what any part behind the first raises."""

    def __init__(
        self,
        parts: Iterable[bytes],
        cut: Callable[[Exception], None],
        close: Callable[[], None],
    ) -> None:
        self._parts = iter(parts)
        self._first = b""
        self._cut = cut
        self.close = close

    def begin(self) -> None:
        """Wait for the first part that is not empty."""
        self._first = next(filter(None, self._parts), b"")

    def __iter__(self) -> Iterator[bytes]:
        """Return what has the next part."""
        return self

    def __next__(self) -> bytes:
        """Return the next part."""
        if first := self._first:
            self._first = b""
            return first
        try:
            return next(self._parts)
        except StopIteration:
            raise
        except Exception as error:
            self._cut(error)
            raise
