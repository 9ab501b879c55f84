"""Errors as problem details (RFC 9457)."""

from flask import Flask, abort, json, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import BadRequest, HTTPException
from werkzeug.wrappers import Response


def init_app(app: Flask) -> None:
    """Answer every error with problem details, and refuse a body that is too large.

    Flask logs an unhandled exception once, with its traceback, and hands it here as a plain 500.
    """
    app.register_error_handler(HTTPException, problem)
    app.register_error_handler(ParseException, malformed_body)
    app.before_request(refuse_large_body)


def problem(error: HTTPException) -> Response:
    """Turn an HTTP error into application/problem+json, with the headers it came with.

    Flask hands over neither redirects nor errors without a code.
    """
    response: Response = error.get_response()
    response.content_type = "application/problem+json"
    response.data = (
        json.dumps(
            {
                "type": "about:blank",
                "title": error.name,
                "status": error.code,
                "detail": error.description,
            }
        )
        + "\n"
    )
    return response


def malformed_body(error: ParseException) -> Response:
    """Blame the client for chunks that are none; gunicorn finds out while the app reads."""
    return problem(BadRequest(str(error)))


def refuse_large_body() -> None:
    """Refuse before a view runs; Flask itself looks only when a view reads the body.

    A chunked body does not say how long it is, and Werkzeug cuts it at the limit without a word.
    """
    environ = request.environ
    if not environ.get("CONTENT_LENGTH") and "HTTP_TRANSFER_ENCODING" not in environ:
        return  # no body: RFC 9112 section 6.3; asking Flask costs 2 % of a small request
    too_large = (request.content_length or 0) > (request.max_content_length or 0)
    if request.content_length is None and environ.get("wsgi.input_terminated"):
        request.get_data()
        too_large = request.environ["wsgi.input"].read(1) != b""
    if too_large:
        abort(413)
