"""Errors as problem details (RFC 9457)."""

from flask import Flask, Response, abort, jsonify, request
from werkzeug.exceptions import HTTPException


def init_app(app: Flask) -> None:
    """Answer every error with problem details, and refuse a body that is announced too large.

    Flask logs an unhandled exception once, with its traceback, and hands it here as a plain 500.
    """
    app.register_error_handler(HTTPException, problem)
    app.before_request(refuse_large_body)


def problem(error: HTTPException) -> Response:
    """Turn an HTTP error into application/problem+json, with the headers it came with.

    Flask hands over neither redirects nor errors without a code.
    """
    response = jsonify(
        type="about:blank", title=error.name, status=error.code, detail=error.description
    )
    response.status_code = error.code or 500
    for name, value in error.get_headers():
        if name != "Content-Type":
            response.headers.add(name, value)  # Allow, Retry-After, WWW-Authenticate, ...
    response.content_type = "application/problem+json"
    return response


def refuse_large_body() -> None:
    """Refuse early; Flask itself looks only when a view reads the body."""
    if (request.content_length or 0) > (request.max_content_length or 0):
        abort(413)
