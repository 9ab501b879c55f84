"""Answers 503 to failures of a dependency where Flask's error handlers do not see them.

Flask calls error handlers for what a view or a hook before it raises. It looks at the exception's
own class alone. So three kinds of failures reach no handler:

- one in a hook after the view, or in a teardown function;
- one in a part of a stream;
- the cause of another exception: `raise OrderError from failure`.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Protocol

from flask import Flask, request_finished
from flask import Response as FlaskResponse
from flask.globals import request_ctx
from werkzeug.wrappers import Response
from werkzeug.wsgi import ClosingIterator

from service.http1.head import ProtocolError
from service.request import current_request
from service.response import Body

if TYPE_CHECKING:
    from wsgiref.types import StartResponse


class Failures(Protocol):
    """Knows the exceptions of dependencies."""

    def are_known(self) -> bool:
        """Return whether there are any to look for."""

    def answer(self, error: BaseException, environ: dict[str, Any]) -> Response | None:
        """Count a failure, and return its answer; None for any other exception."""


class Uncaught:
    """Wraps a Flask app where its error handlers do not reach."""

    def __init__(self, app: Flask, failures: Failures) -> None:
        self._app = app
        self._failures = failures
        self._handle = app.handle_exception
        self._serve = app.wsgi_app
        app.handle_exception = self.handle  # type: ignore[assignment, method-assign]
        app.wsgi_app = self.serve  # type: ignore[assignment, method-assign]

    def handle(self, error: Exception) -> FlaskResponse:
        """Answer an exception that has no handler, or was raised after the view."""
        answer = self._failures.answer(error, current_request().environ)
        if answer is None:
            return self._handle(error)
        response = self._after(self._app.make_response(answer))
        request_finished.send(self._app, _async_wrapper=self._app.ensure_sync, response=response)
        return response

    def _after(self, response: FlaskResponse) -> FlaskResponse:
        """Call the hooks after the view, each of them, even if one fails.

        Flask's own loop ends at the first that fails. Then the answer would lack the headers of the
        others. The hook that failed may be one of them, and fails again.
        """
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
        """Serve a request. Send its head with the first part: until then 503 is possible."""
        if not self._failures.are_known():
            return self._serve(environ, respond)
        head: list[Any] = []

        def start_response(*args: Any) -> Any:
            head[:] = args

        try:
            body = self._begun(self._serve(environ, start_response), environ)
        except BaseException as error:
            answer = self._failures.answer(error, environ)
            if answer is None:
                raise
            return answer(environ, respond)
        respond(*head)
        return body

    def _begun(self, body: Iterable[bytes], environ: dict[str, Any]) -> Iterable[bytes]:
        """Return the body to send. If it is a stream, wait for its first part that is not empty."""
        # Where there is nothing to close, bool() stands for it: it does nothing.
        close = partial(self._close, getattr(body, "close", bool), environ)
        if type(body) is Body:
            body.close = close
            return body
        try:
            parts = iter(body)
            first = list(islice(filter(None, parts), 1))
        except BaseException:
            close()
            raise
        return ClosingIterator(chain(first, self._rest(parts, environ)), close)

    def _rest(self, parts: Iterator[bytes], environ: dict[str, Any]) -> Iterator[bytes]:
        """Yield the parts after the first; a failure cuts the response without a traceback."""
        try:
            yield from parts
        except Exception as error:
            if self._failures.answer(error, environ):
                raise ProtocolError(503, "A dependency does not answer.") from error
            raise

    def _close(self, close: Callable[[], object], environ: dict[str, Any]) -> None:
        try:
            close()
        except Exception as error:
            if not self._failures.answer(error, environ):
                raise
