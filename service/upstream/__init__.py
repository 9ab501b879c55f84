"""Calls to other services that end in time, and that cost the other routes nothing.

client -> deadline, bulkhead, retries, exchange, metrics
exchange -> sockets -> names, racing              only exchange and sockets import urllib3
"""

from flask import Flask, current_app

from service.upstream.answer import Answer, UpstreamFailed
from service.upstream.client import Upstream
from service.upstream.metrics import Metrics
from service.upstream.path import segment
from service.upstream.registry import Upstreams
from service.upstream.together import side_by_side

__all__ = [
    "Answer",
    "Upstream",
    "UpstreamFailed",
    "Upstreams",
    "init_app",
    "named",
    "segment",
    "side_by_side",
]


def init_app(app: Flask) -> None:
    """Know the services that UPSTREAMS names."""
    app.extensions["upstreams"] = Upstreams(
        app.extensions["config"],
        Metrics(app.extensions["metrics_registry"]),
        lambda: bool(app.extensions["pod_state"].is_serving),
    )


def named(name: str) -> Upstream:
    """Return an upstream of the app that serves this request; raises LookupError for others."""
    upstreams: Upstreams = current_app.extensions["upstreams"]
    return upstreams.named(name)
