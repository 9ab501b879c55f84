"""OpenTelemetry: a span for each request, sent to a collector. Imported only if one is set.

It uses the SDK alone. The instrumentation of Flask is a beta that needs an older SDK. It names
spans by the path where there is no route, and ends the span of a stream before its first byte.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import Flask
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from werkzeug.datastructures import EnvironHeaders
from werkzeug.wsgi import ClosingIterator

from service import access, logs
from service.config import Config
from service.correlation import TRACE_HEADERS
from service.exporter import VERBS

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication

W3C = TraceContextTextMapPropagator()
NO_PARENT = Context()


def init_app(app: Flask) -> None:
    """Trace the app. This starts a thread: call it after the fork."""
    config = app.extensions["config"]
    provider = TracerProvider(resource=resource(config))
    endpoint = config.otel_exporter_otlp_endpoint.rstrip("/") + "/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
    trace.set_tracer_provider(provider)  # for the spans of the handlers' own
    app.extensions["tracer_provider"] = provider
    tracer = provider.get_tracer("service")
    app.wsgi_app = Traced(app.wsgi_app, tracer, config.conceal)  # type: ignore[assignment]
    app.extensions["upstreams"].calling.trace = partial(trace_attempt, tracer)


def stop(app: Any, seconds: float) -> bool:
    """Send the spans that are left; returns whether that took no longer than `seconds`."""
    provider = getattr(app, "extensions", {}).get("tracer_provider")
    if provider is None:
        return True
    sender = Thread(target=provider.shutdown, daemon=True)  # it has no timeout of its own
    sender.start()
    sender.join(seconds)
    return not sender.is_alive()


def resource(config: Config) -> Resource:
    """Describe the pod; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have the last word.

    https://opentelemetry.io/docs/specs/semconv/resource/k8s/
    """
    known = {
        "service.name": "hellopod",
        "service.version": config.version,
        "service.instance.id": config.pod_name,
    }
    if config.pod_namespace:  # else the pod's name may be that of a host
        known |= {
            "k8s.namespace.name": config.pod_namespace,
            "k8s.pod.name": config.pod_name,
            "k8s.pod.ip": config.pod_ip,
            "k8s.node.name": config.node_name,
        }
    known = {name: value for name, value in known.items() if value}
    return Resource.create(known).merge(OTELResourceDetector().detect())


class Traced:
    """WSGI middleware; a span ends when its response is closed, and has been sent.

    https://opentelemetry.io/docs/specs/semconv/http/http-spans/, without the query: it may hold
    secrets.
    """

    def __init__(
        self, app: "WSGIApplication", tracer: trace.Tracer, conceal: Callable[[str], str]
    ) -> None:
        self.app = app
        self.tracer = tracer
        self.conceal = conceal

    def __call__(self, environ: dict[str, Any], respond: "StartResponse") -> Iterable[bytes]:
        """Serve a request; there are no spans for probes and scrapes."""
        path = access.text(environ.get("PATH_INFO", ""))
        if path in logs.QUIET_PATHS:
            return self.app(environ, respond)
        method = environ["REQUEST_METHOD"]
        with ExitStack() as stack:
            span = stack.enter_context(
                self.tracer.start_as_current_span(
                    "HTTP",
                    context=W3C.extract(self.carrier(environ), NO_PARENT),
                    kind=SpanKind.SERVER,
                    attributes={
                        "http.request.method": method if method in VERBS else "_OTHER",
                        "url.path": self.conceal(path),
                        "url.scheme": environ["wsgi.url_scheme"],
                    },
                )
            )
            outgoing: dict[str, str] = {}
            W3C.inject(outgoing)
            if outgoing:  # nothing with OTEL_SDK_DISABLED
                environ["hellopod.trace_headers"] = outgoing

            def start_response(status: str, headers: Any, *args: Any) -> Any:
                describe(span, environ, status)
                return respond(status, headers, *args)

            return ClosingIterator(self.app(environ, start_response), stack.pop_all().close)

    def carrier(self, environ: dict[str, Any]) -> dict[str, str]:
        """Return the caller's trace context as far as it is no secret."""
        headers = EnvironHeaders(environ)
        return {name: self.conceal(headers[name]) for name in TRACE_HEADERS if name in headers}


def describe(span: trace.Span, environ: dict[str, Any], status: str) -> None:
    """Say what is known once there is a response; the name has no part that a client can invent."""
    method = environ["REQUEST_METHOD"]
    method = method if method in VERBS else "HTTP"
    route = environ.get("hellopod.route")
    span.update_name(f"{method} {route}" if route else method)
    if route:
        span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", int(status[:3]))
    if status >= "500":
        span.set_status(StatusCode.ERROR)
        span.set_attribute("error.type", status[:3])


@contextmanager
def trace_attempt(
    tracer: trace.Tracer, method: str, url: str, path: str, attempts: int, headers: dict[str, str]
) -> Iterator[Callable[[str, int], None]]:
    """Give an attempt to ask an upstream a span, and put that into the headers.

    Yields what notes the outcome and the status (0 for none). `attempts` were made before.
    https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span, but the query.
    """
    parts = urlsplit(url)
    attributes: dict[str, str | int] = {
        "http.request.method": method if method in VERBS else "_OTHER",
        "server.address": parts.hostname or "",
        "server.port": parts.port or {"http": 80, "https": 443}[parts.scheme],
        "url.full": url + path.partition("?")[0],
    }
    if attempts:
        attributes["http.request.resend_count"] = attempts
    with tracer.start_as_current_span(
        method if method in VERBS else "HTTP",
        kind=SpanKind.CLIENT,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        W3C.inject(headers)

        def note(outcome: str, status: int) -> None:
            if status:
                span.set_attribute("http.response.status_code", status)
            if outcome != "ok":
                span.set_status(StatusCode.ERROR)
                span.set_attribute("error.type", outcome)

        yield note
