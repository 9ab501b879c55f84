"""Errors as problem details (RFC 9457)."""

from io import BytesIO
from typing import Any

from flask import Flask, abort, json
from werkzeug.exceptions import HTTPException, default_exceptions
from werkzeug.wrappers import Response

from service.http1.head import ProtocolError
from service.request import current_request


def init_app(app: Flask) -> None:
    """Answer every error with problem details, and refuse a body that is too large.

    Flask logs an unhandled exception once, with its traceback, and hands it here as a plain 500.
    """
    app.register_error_handler(HTTPException, problem)
    app.register_error_handler(ProtocolError, unreadable_body)
    app.before_request(refuse_large_body)


def problem(error: HTTPException) -> Response:
    """Turn an HTTP error into application/problem+json, with the headers it came with.

    Flask hands over neither redirects nor errors without a code. Werkzeug calls whatever ends the
    reading of a body a disconnect; the runtime knows better. An error that brings an answer of its
    own keeps that.
    """
    if isinstance(error.__context__, ProtocolError):
        return unreadable_body(error.__context__)
    response: Response = error.get_response()
    if error.response is not None:
        return response
    response.content_type = "application/problem+json"
    response.data = (
        json.dumps(
            {
                "type": "about:blank",
                "title": error.name,
                "status": error.code,
                "detail": readable(error.description),
            }
        )
        + "\n"
    )
    return response


def readable(description: Any) -> Any:
    """Return a description as it is if JSON can say it, else its text, as Flask does."""
    try:
        json.dumps(description)
    except (TypeError, ValueError, RecursionError):
        return str(description)
    return description


def unreadable_body(error: ProtocolError) -> Response:
    """Blame the client for a body that does not come whole, as the app finds out while it reads."""
    return problem(default_exceptions[error.status](str(error)))


def refuse_large_body() -> None:
    """Refuse before a view runs; Flask itself looks only when a view reads the body.

    A chunked body does not say how long it is, and Werkzeug cuts it at the limit without a word.
    """
    asked = current_request()
    environ = asked.environ
    if not environ.get("CONTENT_LENGTH") and "HTTP_TRANSFER_ENCODING" not in environ:
        return  # no body: RFC 9112 section 6.3; asking Flask costs 2 % of a small request
    length, most = asked.content_length, asked.max_content_length
    too_large = most is not None and (length or 0) > most
    if length is None and environ.get("wsgi.input_terminated"):
        body = asked.get_data()
        too_large = environ["wsgi.input"].read(1) != b""
        # A view may read it in any of Flask's ways, as a stream too.
        environ["wsgi.input"] = asked.stream = BytesIO(body)
    if too_large:
        abort(413)
