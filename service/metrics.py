"""Prometheus metrics: one registry an app, and labels that traffic cannot multiply."""

from flask import Flask, Request, Response, request
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_flask_exporter import PrometheusMetrics

from service import health

PATH = "/metrics"
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
# Eight finite buckets, from a trivial answer to the slowest one a client waits for: with the
# labels below the whole scrape stays under 1,000 samples whatever the traffic.
BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


def url_rule(request: Request) -> str:
    """Name the route: the template, never the path, which a client can invent at will."""
    return request.url_rule.rule if request.url_rule else "unmatched"


def init_app(app: Flask) -> None:
    """Count requests and serve /metrics. Probes and scrapes are not traffic."""
    # One more sample for each series, which Prometheus ignores in this format.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    exporter = PrometheusMetrics(
        app,
        path=PATH,
        registry=registry,
        group_by=url_rule,
        buckets=BUCKETS,
        excluded_paths=[rf"^{path}\Z" for path in (PATH, *health.PATHS)],
    )
    config = app.extensions["config"]
    exporter.info(
        "hellopod_build_info",
        "Version and commit this pod was built from",
        version=config.version,
        revision=config.revision,
    )
    # Registered after the exporter's own hook and so run before it: it labels with request.method,
    # and any token is a method to a client (RFC 9110 section 9.1).
    app.after_request(bound_method)


def bound_method(response: Response) -> Response:
    """Call a method that nobody registered OTHER. Only metrics look at it from here on."""
    if request.method not in METHODS:
        request.method = "OTHER"
    return response
