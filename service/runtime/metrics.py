"""The runtime's own metrics: what no exporter inside the app can see."""

from collections.abc import Iterator
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics import exposition as openmetrics
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header, parse_options_header

from service.runtime.head import trace_id
from service.runtime.state import Stage

OPENMETRICS = "application/openmetrics-text"
# From a free slot to the longest wait that QUEUE_TIMEOUT allows by default, in seconds.
QUEUE_BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0)
# From a trivial answer to a long download, in seconds.
TOTAL_BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


def render(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """Return all metrics, and the media type: OpenMetrics, which alone has exemplars, if preferred.

    prometheus_client's own choice ignores the q values, and fails for a version that is no number.
    """
    likes = {"text": 0.0, "openmetrics": 0.0}
    for media_range, quality in parse_accept_header(accept, MIMEAccept):
        kind, options = parse_options_header(media_range)
        if kind in ("text/plain", "text/*", "*/*"):
            likes["text"] = max(likes["text"], quality)
        elif kind == OPENMETRICS and options.get("version", "1.0.0") in ("0.0.1", "1.0.0"):
            likes["openmetrics"] = max(likes["openmetrics"], quality)
    if likes["openmetrics"] and likes["openmetrics"] >= likes["text"]:
        # No name here has anything to escape; looking for it would cost half as much again.
        text = openmetrics.generate_latest(registry, openmetrics.ALLOWUTF8)  # type: ignore[no-untyped-call]
        return text, openmetrics.CONTENT_TYPE_LATEST
    return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4


class RuntimeMetrics:
    """A collector that reads the worker when it is scraped, and two histograms."""

    def __init__(self, worker: Any) -> None:
        self.worker = worker
        self.registry: CollectorRegistry = REGISTRY
        self.cut = Counter(
            "hellopod_clients_cut", "Clients given up for being too slow", ["at"], registry=None
        )
        for at in ("request", "response"):
            self.cut.labels(at)
        self.queue_time = Histogram(
            "hellopod_queue_seconds",
            "Time from a request's arrival to its slot",
            buckets=QUEUE_BUCKETS,
            registry=None,
        )
        self.total_time = Histogram(
            "hellopod_request_duration_seconds",
            "Time from a request's arrival to the end of its response: queue, app and client",
            buckets=TOTAL_BUCKETS,
            registry=None,
        )

    def join(self, app: Any) -> None:
        """Appear beside the app's metrics: in the registry it names, else in the default one."""
        self.registry = getattr(app, "extensions", {}).get("metrics_registry", REGISTRY)
        for collector in (self, self.cut, self.queue_time, self.total_time):
            self.registry.register(collector)

    def observe(self, connection: Any, started: float, done: float) -> None:
        """Count a finished request; the trace that it belongs to becomes an exemplar."""
        trace = trace_id(self.worker.config.conceal(connection.request))
        self.queue_time.observe(started - connection.arrived)
        self.total_time.observe(done - connection.arrived, {"trace_id": trace} if trace else None)

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return everything, and its media type."""
        return render(self.registry, accept)

    def collect(self) -> Iterator[Metric]:
        """Read the worker."""
        worker = self.worker
        admission = worker.admission
        for name, text, value in (
            ("requests_in_flight", "Requests that hold a slot", admission.running),
            ("requests_waiting", "Requests that wait for a slot", worker.waiting()),
            ("requests_parked", "Requests whose thread waits for the client", admission.parked),
            ("concurrency_limit", "Slots", admission.limit),
            ("connections", "Open connections of the service", worker.main.count()),
            ("accept_backlog", "Connections the kernel holds for us", worker.backlog()),
            ("draining", "1 once the pod was told to go", worker.state.stage != Stage.SERVING),
        ):
            yield GaugeMetricFamily(f"hellopod_{name}", text, value=value)
        if worker.certificate:
            yield GaugeMetricFamily(
                "hellopod_tls_certificate_expiry_timestamp_seconds",
                "When the certificate expires that new connections get",
                value=worker.certificate.expires,
            )
        yield CounterMetricFamily(
            "hellopod_worker_restarts", "Workers replaced in this pod", value=worker.state.restarts
        )
        shed = CounterMetricFamily(
            "hellopod_requests_shed", "Requests refused with 503", labels=["reason"]
        )
        for reason in ("full", "timeout"):
            shed.add_metric([reason], admission.refused[reason])
        yield shed
