import json
import logging
import urllib.request
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from flask import Response
from opentelemetry import trace
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.trace import TracerProvider

from service import tracing
from service.correlation import outgoing_headers
from service.formatters import JsonLines
from service.middleware import Middleware
from tests.process.collector import Collector, attributes
from tests.service.hostile_upstream import OK, HostileUpstream, header, saying
from tests.service.sample import create_app

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def collector():
    with Collector() as running:
        yield running


@pytest.fixture
def traced(config, collector):
    """An app that sends its spans when spans() asks for them."""
    settings = {"otel_exporter_otlp_endpoint": collector.url, "trusted_proxies": "127.0.0.1"}
    app = create_app(replace(config, **settings))
    yield app
    assert tracing.stop(app, 5)


@pytest.fixture
def spans(traced, collector):
    def sent():
        assert traced.extensions["tracer_provider"].force_flush()
        return collector.spans

    return sent


def ask(app, path, **request):
    """Ask and, as a server does, close the response."""
    return app.test_client().open(path, buffered=True, **request)


def test_off_without_a_collector(app):
    assert "tracer_provider" not in app.extensions
    assert isinstance(app.wsgi_app, Middleware)  # and nothing around it


def test_the_chaos_token_is_in_no_span(config, collector):
    """Though it may look like a trace."""
    settings = {"otel_exporter_otlp_endpoint": collector.url, "chaos_token": TRACE}
    app = create_app(replace(config, **settings))
    ask(app, f"/{TRACE}", headers={"traceparent": TRACEPARENT, "tracestate": f"a={TRACE}"})
    assert tracing.stop(app, 5)

    [span] = collector.spans
    assert attributes(span)["url.path"] == "/***"
    assert TRACE.encode() not in span.SerializeToString() and TRACE != span.trace_id.hex()


def test_handlers_can_add_spans(traced):
    assert isinstance(trace.get_tracer_provider(), TracerProvider)


def test_span(traced, spans, collector):
    ask(traced, "/api/identity?token=x", headers={"traceparent": TRACEPARENT})

    [span] = spans()
    assert (span.name, span.kind) == ("GET /api/identity", Span.SPAN_KIND_SERVER)
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, SPAN)
    assert span.status.code == Status.STATUS_CODE_UNSET
    assert attributes(span) == {
        "http.request.method": "GET",
        "http.route": "/api/identity",
        "http.response.status_code": 200,
        "url.path": "/api/identity",
        "url.scheme": "http",
    }
    described = {k: v for k, v in collector.resource.items() if not k.startswith("telemetry.")}
    assert described == {
        "service.name": "hellopod",
        "service.version": "1.2.3",
        "service.instance.id": "hellopod-1",
        "k8s.namespace.name": "test",
        "k8s.pod.name": "hellopod-1",
        "k8s.pod.ip": "10.0.0.1",
        "k8s.node.name": "node-1",
    }


def test_span_has_the_scheme_of_the_client(traced, spans):
    ask(traced, "/version", headers={"X-Forwarded-Proto": "https"})

    [span] = spans()
    assert attributes(span)["url.scheme"] == "https"


def test_only_what_is_known_of_the_pod(config, monkeypatch):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    found = tracing.resource(replace(config, pod_namespace="")).attributes

    assert not [name for name in found if name.startswith("k8s.")]
    assert found["service.name"] == "mine"
    assert found["deployment.environment.name"] == "test"


@pytest.mark.parametrize(
    ("method", "path", "name", "known"),
    [
        ("GET", "/no/such/path", "GET", "GET"),
        ("BREW", "/api/echo", "HTTP /api/echo", "_OTHER"),
        ("BREW", "/%ff%c3%28", "HTTP", "_OTHER"),
    ],
)
def test_name_has_nothing_that_a_client_invents(traced, spans, method, path, name, known):
    ask(traced, path, method=method)

    [span] = spans()
    assert span.name == name
    assert attributes(span)["http.request.method"] == known


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_no_span_for_probes_and_scrapes(traced, spans, path):
    assert ask(traced, path).status_code == 200
    assert spans() == []


def test_error(traced, spans):
    traced.add_url_rule("/broken", view_func=lambda: 1 / 0)
    assert ask(traced, "/broken").status_code == 500

    [span] = spans()
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert attributes(span)["error.type"] == "500"


def test_what_escapes_the_app_ends_the_span_too(traced, spans):
    def leave():
        raise SystemExit

    traced.add_url_rule("/leave", view_func=leave)
    with pytest.raises(SystemExit):
        ask(traced, "/leave")

    assert len(spans()) == 1
    assert not trace.get_current_span().get_span_context().is_valid


def test_stream_is_part_of_the_span(traced, spans):
    tracer = traced.extensions["tracer_provider"].get_tracer("test")

    def chunks():
        yield "a"
        with tracer.start_as_current_span("inside"):
            yield "b"

    traced.add_url_rule("/stream", view_func=lambda: Response(chunks()))
    assert ask(traced, "/stream").text == "ab"
    parents = {span.name: span for span in spans()}

    assert parents["inside"].parent_span_id == parents["GET /stream"].span_id
    assert parents["inside"].end_time_unix_nano <= parents["GET /stream"].end_time_unix_nano


def test_caller_decides_about_sampling(traced, spans):
    ask(traced, "/", headers={"traceparent": f"00-{TRACE}-{SPAN}-00"})

    assert spans() == []


@pytest.mark.parametrize("given", ["", "nonsense", f"ff-{TRACE}-{SPAN}-01"])
def test_without_a_valid_parent_a_trace_begins(traced, spans, given):
    ask(traced, "/", headers={"traceparent": given, "tracestate": "a=1"})

    [span] = spans()
    assert span.parent_span_id == b""
    assert (span.trace_id.hex() != TRACE) and span.trace_state == ""


def test_log_names_the_span(traced, spans, capsys):
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(pod="pod-1"))
    traced.logger.addHandler(handler)
    traced.add_url_rule("/log", view_func=lambda: traced.logger.error("seen") or "ok")
    ask(traced, "/log", headers={"traceparent": TRACEPARENT})
    traced.logger.removeHandler(handler)

    record = json.loads(capsys.readouterr().err)
    [span] = spans()
    assert (record["trace_id"], record["span_id"]) == (TRACE, span.span_id.hex())


class Downstream(BaseHTTPRequestHandler):
    """Another service. It answers with the headers it got."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({k.lower(): v for k, v in self.headers.items()}).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def call():
    """Have an app call another service; return the headers that arrive there."""
    with HTTPServer(("127.0.0.1", 0), Downstream) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()

        def relay():
            url = f"http://127.0.0.1:{server.server_port}/"
            request = urllib.request.Request(url, headers=outgoing_headers())
            with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310
                return json.load(response)

        def call_from(app, **headers):
            app.add_url_rule("/relay", view_func=relay)
            arrived = ask(app, "/relay", headers=headers).json
            names = ("x-request-id", "traceparent", "tracestate")
            return {name: arrived[name] for name in names if name in arrived}

        yield call_from
        server.shutdown()
        thread.join()


def test_trace_goes_on_unchanged_without_spans(app, call):
    given = {"X-Request-ID": "one", "traceparent": TRACEPARENT, "tracestate": "a=1,b=2"}

    assert call(app, **given) == {name.lower(): value for name, value in given.items()}


@pytest.mark.parametrize("given", [{}, {"traceparent": "nonsense"}])
def test_no_trace_is_made_up_without_spans(app, call, given):
    assert call(app, **{"X-Request-ID": "one", "tracestate": "a=1"} | given) == {
        "x-request-id": "one"
    }


def test_span_is_the_parent_of_what_is_called(traced, spans, call):
    arrived = call(traced, traceparent=TRACEPARENT, tracestate="a=1,b=2")

    [span] = spans()
    assert arrived["traceparent"] == f"00-{TRACE}-{span.span_id.hex()}-01"
    assert arrived["tracestate"] == "a=1,b=2"


def test_call_to_an_upstream_is_a_span(config, collector):
    """A child of the request's span; the upstream's span is a child of it."""
    settings = {"otel_exporter_otlp_endpoint": collector.url}
    with HostileUpstream(saying(OK)) as upstream:
        app = create_app(replace(config, upstreams=f"{upstream.url}/base", **settings))
        ask(app, "/api/chain?token=x", headers={"traceparent": TRACEPARENT})
        upstream.answer = saying(b"HTTP/1.1 500 A\r\nContent-Length: 0\r\n\r\n")
        ask(app, "/api/chain")
        upstream.answer = lambda *_: False
        ask(app, "/api/chain")
        assert tracing.stop(app, 5)
    calls = [span for span in collector.spans if span.kind == Span.SPAN_KIND_CLIENT]
    (server,) = [
        span
        for span in collector.spans
        if span.kind == Span.SPAN_KIND_SERVER and span.trace_id.hex() == TRACE
    ]

    assert (calls[0].trace_id.hex(), calls[0].parent_span_id) == (TRACE, server.span_id)
    assert header(upstream.heads[0], "traceparent") == f"00-{TRACE}-{calls[0].span_id.hex()}-01"
    assert calls[0].name == "GET"
    assert attributes(calls[0]) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
        "server.port": upstream.port,
        "url.full": f"{upstream.url}/base/api/chain",
    }
    assert [attributes(call).get("error.type") for call in calls[1:]] == ["500", "broken", "broken"]
    assert attributes(calls[3])["http.request.resend_count"] == 1
    assert {call.status.code for call in calls[1:]} == {Status.STATUS_CODE_ERROR}
