"""What ties a response to its log records: the request id and the W3C trace context."""

from typing import Any, NamedTuple

from flask import request

from service.http1.traceparent import TRACEPARENT

TRACE_HEADERS = {"traceparent": "HTTP_TRACEPARENT", "tracestate": "HTTP_TRACESTATE"}


class Trace(NamedTuple):
    """The trace and its current span, in lower-case hexadecimal.

    The span is the caller's, or with OpenTelemetry the one of this request.
    """

    trace_id: str
    span_id: str


def incoming_trace_headers(environ: dict[str, Any]) -> dict[str, str]:
    """Return the caller's trace context as it came."""
    return {name: environ[key] for name, key in TRACE_HEADERS.items() if key in environ}


def outgoing_headers() -> dict[str, str]:
    """Return the headers for a call to another service on behalf of this request.

    Without a span of ours the caller's trace context goes on unchanged. The W3C calls that
    forwarding. A new parent id would break the trace, because nobody has recorded such a span.
    """
    environ = request.environ
    headers = dict(environ["hellopod.trace_headers"]) if environ.get("hellopod.trace") else {}
    if baggage := environ.get("HTTP_BAGGAGE"):  # https://www.w3.org/TR/baggage/
        headers["baggage"] = baggage
    if identity := environ.get("hellopod.request_id"):
        headers["X-Request-ID"] = identity
    return headers


def parse_traceparent(header: str) -> Trace | None:
    """Return the trace context, or None for a header that is missing or malformed."""
    match = TRACEPARENT.fullmatch(header)
    return Trace(match[1], match[2]) if match else None
