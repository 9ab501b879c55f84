"""prometheus-flask-exporter with bounded methods, and labels that are looked up once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import attrgetter
from timeit import default_timer
from typing import Any

from flask import Flask, Response, current_app
from flask import Request as FlaskRequest
from prometheus_client import CollectorRegistry
from prometheus_flask_exporter import PrometheusMetrics

from service.request import current_request

VERBS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
# What the exporter notes on a request: that it is not to be counted, or has been counted.
MARKS = {"prom_do_not_track", "prom_exclude_all", "prom_duration_reported", "prom_total_reported"}


class Recorder:
    """Stands for the registry and the app while the exporter makes its metrics and its hooks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.metrics: list[Any] = []
        self.hooks: dict[str, Callable[..., Any]] = {}

    def register(self, metric: Any) -> None:
        """Register a metric in the registry."""
        self.registry.register(metric)
        self.metrics.append(metric)

    def before_request(self, hook: Callable[[], None]) -> None:
        """Keep what notes when a request began."""
        self.hooks["before"] = hook

    def after_request(self, hook: Callable[[Response], Response]) -> None:
        """Keep what counts a response."""
        self.hooks["after"] = hook

    def teardown_request(self, hook: Callable[[BaseException | None], None]) -> None:
        """Keep what counts an exception."""
        self.hooks["teardown"] = hook


class Exporter(PrometheusMetrics):  # type: ignore[misc]  # it has no types
    """The exporter, but it looks up the series of a route, method and status only once.

    It labels with request.method. A client may send any token as one (RFC 9110 section 9.1).
    """

    registry: Any

    def export_defaults(
        self,
        buckets: Any = None,
        group_by: Any = "path",
        latency_as_histogram: bool = True,
        prefix: str = "flask",
        app: Flask | None = None,
        **options: Any,
    ) -> None:
        """Export the default metrics of the exporter, as it describes them."""
        registry = self.registry
        recorder = Recorder(registry)
        self.registry = recorder
        try:
            super().export_defaults(
                buckets, group_by, latency_as_histogram, prefix, recorder, **options
            )
        finally:
            self.registry = registry
        if recorder.hooks:  # else they are exported already
            _, duration, total, _ = recorder.metrics
            group = "endpoint" if options.get("group_by_endpoint") is True else group_by or "path"
            counting = Counting(self, recorder.hooks, duration, total, group)
            app = app or self.app or current_app
            app.before_request(counting.before)
            app.after_request(counting.after)
            app.teardown_request(counting.teardown)


class Counting:
    """The exporter's hooks, with a memory of the series that they have used."""

    def __init__(
        self,
        exporter: Exporter,
        hooks: dict[str, Callable[..., Any]],
        duration: Any,
        total: Any,
        group: Any,
    ) -> None:
        self.exporter = exporter
        self.hooks = hooks
        self.duration = duration
        self.total = total
        self.group = group if callable(group) else attrgetter(group)
        self.series: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    def before(self) -> None:
        """Note when a request began."""
        vars(current_request())["prom_start_time"] = default_timer()

    def after(self, response: Response) -> Response:
        """Count a response."""
        asked = current_request()
        marks = vars(asked)
        if self.exporter._default_labels or not marks.keys().isdisjoint(MARKS):
            return self.slowly(response)
        for pattern in self.exporter.excluded_paths or ():
            if pattern.match(asked.path):
                return response
        group, method, status = str(self.group(asked)), bounded(asked.method), response.status_code
        series = self.series.get((group, method, status))
        if series is None or "prom_start_time" not in marks:
            response = self.slowly(response)
            if "prom_duration_reported" in marks:
                self.series[group, method, status] = (
                    self.duration.labels(method, group, status),
                    self.total.labels(method, status),
                )
            return response
        duration, total = series
        marks["prom_duration_reported"] = marks["prom_total_reported"] = True
        duration.observe(max(default_timer() - marks["prom_start_time"], 0))
        total.inc()
        return response

    def slowly(self, response: Response) -> Response:
        """Count a response as the exporter does."""
        with bounded_method(current_request()):
            counted: Response = self.hooks["after"](response)
        return counted

    def teardown(self, error: BaseException | None = None) -> None:
        """Count an exception that ended a request without a response.

        A dependency's exception has been counted and answered already: service/outages.py.
        """
        if error is None:
            return
        outages = current_app.extensions.get("outages")
        if not (outages and outages.is_known(error)):
            with bounded_method(current_request()):
                self.hooks["teardown"](error)


def bounded(method: str) -> str:
    """Return the method; OTHER for any unusual one."""
    return method if method in VERBS else "OTHER"


@contextmanager
def bounded_method(asked: FlaskRequest) -> Iterator[None]:
    """Have the exporter see a bounded method. Others still need the real one."""
    method = asked.method
    asked.method = bounded(method)
    try:
        yield
    finally:
        asked.method = method
