"""The runtime's own metrics: what no exporter inside the app can see."""

from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from service.http1.answers import REASONS
from service.http1.head import Request
from service.http1.traceparent import TRACEPARENT

# Seconds. QUEUE_TIMEOUT, by default 0.3, bounds waits in an overload. In a full pod one may wait
# for twice that and half a second; others may wait for longer.
QUEUE_BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5)
# From a trivial answer to a long download, in seconds.
TOTAL_BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
# What a snapshot has.
GAUGES = {
    "requests_in_flight": "Requests that hold a slot",
    "requests_waiting": "Requests that wait for a slot",
    "requests_parked": "Requests whose thread waits for the client",
    "concurrency_limit": "Slots",
    "connections": "Open connections of the service",
    "accept_backlog": "Connections the kernel holds for us",
    "draining": "1 once the pod was told to go",
    "tls_certificate_expiry_timestamp_seconds": "When the certificate of new connections expires",
}
COUNTERS = {
    "worker_restarts": "Workers replaced in this pod",
    "requests_abandoned": "Requests whose client left while they waited for a slot",
}


class RuntimeMetrics:
    """A collector that asks for a snapshot when it is scraped, and what is counted as it happens.

    A snapshot has the values of GAUGES and COUNTERS, as far as there are any, and "shed" by reason.
    """

    def __init__(self, conceal: Callable[[str], str]) -> None:
        self.conceal = conceal
        self.registry: CollectorRegistry = REGISTRY
        self.snapshot: Callable[[], dict[str, Any]] = dict
        # In whole, with no namespace=: a search finds the names that alerts and panels have.
        self.cut = Counter(
            "hellopod_clients_cut", "Clients given up for being too slow", ["at"], registry=None
        )
        self.answers = Counter(
            "hellopod_runtime_responses",
            "Error responses that no app made, but for 503",
            ["status"],
            registry=None,
        )
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
        for at in ("request", "response"):
            self.cut.labels(at)
        for status in REASONS.keys() - {200, 404, 405, 503}:
            self.answers.labels(str(status))

    def join(self, app: Any, snapshot: Callable[[], dict[str, Any]]) -> None:
        """Appear beside the app's metrics: in the registry it names, else in the default one."""
        self.snapshot = snapshot
        self.registry = getattr(app, "extensions", {}).get("metrics_registry", REGISTRY)
        for collector in (self, self.cut, self.answers, self.queue_time, self.total_time):
            self.registry.register(collector)

    def count_cut(self, at: str) -> None:
        """Count a client that was given up."""
        self.cut.labels(at).inc()

    def count_answer(self, status: int) -> None:
        """Count an error response that no app made."""
        self.answers.labels(str(status)).inc()

    def observe(self, request: Request, queued: float, total: float) -> None:
        """Count a finished request; the trace that it belongs to becomes an exemplar."""
        self.queue_time.observe(queued)
        parent = request.fields.get("HTTP_TRACEPARENT")
        trace = TRACEPARENT.fullmatch(self.conceal(parent)) if parent else None
        self.total_time.observe(total, {"trace_id": trace[1]} if trace else None)

    def collect(self) -> Iterator[Metric]:
        """Read what can be read at any moment."""
        found = self.snapshot()
        for name, text in GAUGES.items():
            if name in found:
                yield GaugeMetricFamily(f"hellopod_{name}", text, value=found[name])
        for name, text in COUNTERS.items():
            yield CounterMetricFamily(f"hellopod_{name}", text, value=found.get(name, 0))
        shed = CounterMetricFamily(
            "hellopod_requests_shed", "Requests refused with 503", labels=["reason"]
        )
        for reason in ("full", "timeout"):
            shed.add_metric([reason], found.get("shed", {}).get(reason, 0))
        yield shed
