"""What ties a response to its log records: the request id and the W3C trace context."""

from typing import Any, NamedTuple

from flask import Flask, Response, current_app, request

from service.http1.answers import request_id
from service.http1.traceparent import TRACEPARENT

TRACE_HEADERS = {"traceparent": "HTTP_TRACEPARENT", "tracestate": "HTTP_TRACESTATE"}


class Trace(NamedTuple):
    """The trace and its current span, in lower-case hexadecimal.

    The span is the caller's, or with OpenTelemetry the one of this request.
    """

    trace_id: str
    span_id: str


def init_app(app: Flask) -> None:
    """Note both in the environ, where the access log finds them, and return the request id."""
    app.before_request(correlate)
    app.after_request(return_request_id)


def correlate() -> None:
    """Have an id for the request, which the runtime has given it already, and its trace."""
    environ = request.environ
    if "hellopod.request_id" not in environ:
        conceal = current_app.extensions["config"].conceal
        environ["hellopod.request_id"] = request_id(environ, conceal)
    # The span of this request has set them already, if there is one.
    headers = environ.setdefault("hellopod.trace_headers", incoming_trace_headers(environ))
    environ["hellopod.trace"] = parse_traceparent(headers.get("traceparent", ""))
    if rule := request.url_rule:
        environ["hellopod.route"] = rule.rule


def incoming_trace_headers(environ: dict[str, Any]) -> dict[str, str]:
    """Return the caller's trace context as it came."""
    return {name: environ[key] for name, key in TRACE_HEADERS.items() if key in environ}


def outgoing_headers() -> dict[str, str]:
    """Return the headers for a call to another service on behalf of this request.

    Without a span of ours the caller's trace context goes on unchanged, which the W3C calls
    forwarding: a new parent id that nobody has recorded would tear the trace apart.
    """
    environ = request.environ
    headers = {"X-Request-ID": environ["hellopod.request_id"]}
    return headers | environ["hellopod.trace_headers"] if environ["hellopod.trace"] else headers


def return_request_id(response: Response) -> Response:
    """Say which id the logs know this request by."""
    response.headers["X-Request-ID"] = request.environ["hellopod.request_id"]
    return response


def parse_traceparent(header: str) -> Trace | None:
    """Return the trace context, or None for a header that is missing or malformed."""
    match = TRACEPARENT.fullmatch(header)
    return Trace(match[1], match[2]) if match else None
