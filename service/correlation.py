"""What ties a response to its log records: the request id and the W3C trace context."""

import re
from secrets import token_hex
from typing import Any, NamedTuple

from flask import Flask, Response, current_app, request

TRACE_HEADERS = {"traceparent": "HTTP_TRACEPARENT", "tracestate": "HTTP_TRACESTATE"}
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
# https://www.w3.org/TR/trace-context-1/#traceparent-header: version ff and zero ids are invalid;
# version 00 ends after the flags, a later one may go on after a dash.
TRACEPARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.*)?"
)


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
    """Take the caller's request id if it is harmless in a log and a header, else make one."""
    environ = request.environ
    # A secret is starred and so no id.
    given = current_app.extensions["config"].conceal(environ.get("HTTP_X_REQUEST_ID", ""))
    request_id = given if REQUEST_ID.fullmatch(given) else token_hex(16)
    environ["hellopod.request_id"] = request_id
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
    if match is None or (match[1] == "00" and match[4]):
        return None
    return Trace(match[2], match[3])
