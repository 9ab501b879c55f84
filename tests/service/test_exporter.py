"""The default metrics are those of prometheus-flask-exporter, whatever is asked in which order."""

import flask
import pytest
from flask import Flask, Response, abort, request
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_flask_exporter import NO_PREFIX, PrometheusMetrics

from service.exporter import Exporter


def url_rule(request):
    return request.url_rule.rule if request.url_rule else "unmatched"


def all_together(request):
    return "all"


OPTIONS = {
    "as the service has it": {"group_by": url_rule, "buckets": (1, 2)},
    "all in one group": {"group_by": all_together, "excluded_paths": "/b"},
    "by path": {},
    "by endpoint": {"group_by": "endpoint"},
    "by endpoint, as it once was": {"group_by_endpoint": True},
    "summary": {"default_latency_as_histogram": False},
    "prefix": {"defaults_prefix": "mine"},
    "no prefix": {"defaults_prefix": NO_PREFIX},
    "excluded": {"excluded_paths": ["/a", "^/skip"]},
    "labels": {
        "default_labels": {"one": 1, "host": lambda: request.host, "of": lambda r: r.status}
    },
}
PATHS = ["/a", "/b/1", "/b/2", "/skip", "/none", "/boom", "/early", "/refused", "/late", "/404"]
PATHS += ["/twice", "/unknown"]
ASKED = st.tuples(
    st.sampled_from(PATHS),
    st.sampled_from(["GET", "GET", "HEAD", "POST", "OPTIONS"]),
)


def build(kind, options):
    app, registry = Flask("app"), CollectorRegistry()
    app.logger.disabled = True  # tracebacks take longer than all the rest

    @app.before_request
    def refuse_before():
        if request.path == "/early":
            abort(403)

    @app.after_request
    def fail_behind(response):
        if request.path == "/late" and response.status_code == 200:
            raise RuntimeError
        return response

    metrics = kind(app, path=None, registry=registry, **options)
    app.add_url_rule("/a", "a", lambda: "a", methods=["GET", "POST"])
    app.add_url_rule("/b/<number>", "b", lambda number: Response(number, 201))
    app.add_url_rule("/skip", "skip", metrics.do_not_track()(lambda: "skip"))
    app.add_url_rule("/none", "none", metrics.exclude_all_metrics()(lambda: "none"))
    app.add_url_rule("/boom", "boom", lambda: 1 / 0)
    app.add_url_rule("/late", "late", lambda: "late")
    app.add_url_rule("/404", "404", lambda: abort(404))
    counter = metrics.counter("mine_total", "Mine", labels={"status": lambda r: r.status_code})
    app.add_url_rule("/twice", "twice", counter(lambda: "twice"))

    @app.before_request
    def refuse():
        if request.path == "/refused":
            abort(403)

    return app, registry


def exposed(registry):
    """Return all but how long something took, and when it began."""
    lines = generate_latest(registry).decode().splitlines()
    left_out = ("_bucket{", "_sum{", "_created{")
    return [line for line in lines if not any(part in line for part in left_out)]


@pytest.mark.filterwarnings("ignore:The `group_by_endpoint` argument")
@pytest.mark.parametrize("name", OPTIONS)
def test_counts_are_those_of_the_exporter(name):
    @settings(max_examples=10, deadline=None)
    @given(st.lists(ASKED, min_size=20, max_size=40))
    def compare(asked):
        shown = []
        for kind in (Exporter, PrometheusMetrics):
            options = dict(OPTIONS[name])
            if options.pop("group_by_endpoint", False):
                app, registry = build(kind, {"export_defaults": False})
                exporter = kind(None, registry=registry, export_defaults=False)
                exporter.export_defaults(group_by_endpoint=True, app=app)
            else:
                app, registry = build(kind, options)
            client = app.test_client()
            for path, method in asked:
                client.open(path, method=method)
            shown.append(exposed(registry))
        assert shown[0] == shown[1]

    compare()


def test_time_is_observed():
    app, registry = build(Exporter, {"buckets": (60,)})
    for _ in range(3):
        app.test_client().get("/a")

    labels = {"method": "GET", "path": "/a", "status": "200"}
    name = "flask_http_request_duration_seconds"
    assert registry.get_sample_value(f"{name}_bucket", labels | {"le": "60.0"}) == 3
    assert 0 < registry.get_sample_value(f"{name}_sum", labels) < 60


def test_methods_are_bounded():
    app, registry = build(Exporter, {})
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.url_map.add(flask.Flask.url_rule_class("/any", endpoint="any"))
    app.view_functions["any"] = lambda: 1 / 0 if "boom" in request.args else request.method
    client = app.test_client()
    for number in range(20):
        assert client.open("/any", method=f"X{number}").text == f"X{number}"
        with pytest.raises(ZeroDivisionError):
            client.open("/any?boom", method=f"X{number}")

    labels = {"method": "OTHER", "status": "200"}
    assert registry.get_sample_value("flask_http_request_total", labels) == 20
    labels = {"method": "OTHER", "status": "500"}
    assert registry.get_sample_value("flask_http_request_exceptions_total", labels) == 20
    assert "X1" not in generate_latest(registry).decode()


def test_a_second_export_changes_nothing():
    app, registry = build(Exporter, {})
    Exporter(app, path=None, registry=registry)
    app.test_client().get("/a")

    labels = {"method": "GET", "status": "200"}
    assert registry.get_sample_value("flask_http_request_total", labels) == 1
