"""Prometheus metrics: one registry an app, and labels that traffic cannot multiply."""

from collections.abc import Iterator

from flask import Flask, Request, Response, current_app, request
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily

from service import health
from service.exporter import Exporter
from service.exposition import render
from service.streams import STDERR, STDOUT

PATH = "/metrics"
# Coarse, because there is one histogram for each route, method and status: so a whole scrape stays
# under 1,000 samples whatever the traffic. The runtime has a finer one for all requests together.
BUCKETS = (0.005, 0.025, 0.1, 0.5, 2.5)


def url_rule(request: Request) -> str:
    """Name the route: the template, never the path. A client can invent paths at will."""
    return request.url_rule.rule if request.url_rule else "unmatched"


def init_app(app: Flask) -> None:
    """Count requests and serve /metrics. Probes and scrapes are not traffic."""
    # A time of creation would be one more sample for each series. Prometheus ignores it in text.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    config = app.extensions["config"]
    registry = app.extensions["metrics_registry"] = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(DroppedLines())
    exporter = Exporter(
        app,
        path=None,  # see serve
        registry=registry,
        group_by=url_rule,
        buckets=BUCKETS,
        excluded_paths=[rf"^(?:{'|'.join((PATH, *health.PATHS))})\Z"],
    )
    exporter.info(
        "hellopod_build_info",
        "Version and commit this pod was built from",
        version=config.version,
        revision=config.revision,
    )
    if config.metrics_on_http:
        app.add_url_rule(PATH, view_func=serve)
    # Otherwise Flask answers //path with a redirect, 308, and metrics have one more status.
    app.url_map.merge_slashes = False


class DroppedLines:
    """A collector for the number of lines that were lost, of master and worker."""

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Read it."""
        yield CounterMetricFamily(
            "hellopod_log_lines_dropped",
            "Lines for stdout and stderr that could not be written",
            value=STDOUT.dropped + STDERR.dropped,
        )


def serve() -> Response:
    """Answer as the management port does; the exporter's own view answers some Accepts with 500."""
    registry = current_app.extensions["metrics_registry"]
    body, kind = render(registry, request.headers.get("Accept", ""))
    return Response(body, content_type=kind)
