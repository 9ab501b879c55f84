"""Metrics of calls. Their labels are outcomes and names of upstreams. Settings bound the names."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from service.upstream.answer import STATUS_OF

BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # seconds


class Metrics:
    """Counts the calls of one app."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "hellopod_upstream_requests",
            "Calls to an upstream, by what came of them",
            ["upstream", "outcome"],
            registry=registry,
        )
        self.duration = Histogram(
            "hellopod_upstream_request_duration_seconds",
            "Time of a call to an upstream, with its retries",
            ["upstream"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.retries = Counter(
            "hellopod_upstream_retries",
            "Times an upstream was asked once more for a call",
            ["upstream"],
            registry=registry,
        )
        self.in_flight = Gauge(
            "hellopod_upstream_requests_in_flight",
            "Calls that wait for an upstream",
            ["upstream"],
            registry=registry,
        )

    def expect(self, upstream: str) -> None:
        """Begin all series of an upstream at zero."""
        for outcome in STATUS_OF:
            self.requests.labels(upstream, outcome)
        for metric in (self.duration, self.retries, self.in_flight):
            metric.labels(upstream)
