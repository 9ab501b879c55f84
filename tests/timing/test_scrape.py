"""A scrape is cheap: beside what prometheus_client needs to write as many samples."""

import time

import pytest
from prometheus_client import generate_latest

from service.config import Config
from tests.process.test_metrics import PROMETHEUS
from tests.runtime.gunicorn_process import OURS, SAMPLE, Gunicorn
from tests.runtime.raw import connect, metric, read_response, send
from tests.service.sample import create_app

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PATHS = ("/", "/version", "/api/identity", "/api/echo", "/openapi.yaml", "/nowhere")
SCRAPES = 50


def samples(scrape):
    return sum(not line.startswith(b"#") for line in scrape.splitlines())


def library():
    """Return seconds of CPU for a sample, without a server."""
    app = create_app(Config())
    for method in METHODS:
        for path in PATHS:
            app.test_client().open(path, method=method)
    registry = app.extensions["metrics_registry"]
    number = samples(generate_latest(registry))
    began = time.process_time()
    for _ in range(SCRAPES):
        generate_latest(registry)
    return (time.process_time() - began) / SCRAPES / number


def service(accept):
    """Return the same for scrapes of the real process, by a client that keeps its connection."""
    scrape = f"GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n\r\n".encode()
    with Gunicorn(*OURS, SAMPLE) as server:
        for method in METHODS:
            for path in PATHS:
                send(server.port, f"{method} {path} HTTP/1.0\r\n\r\n".encode())
        before = metric(server.management, "process_cpu_seconds_total")
        with connect(server.management) as sock:
            for _ in range(SCRAPES):
                sock.sendall(scrape)
                text = read_response(sock)[2]
        used = metric(server.management, "process_cpu_seconds_total") - before
    return used / SCRAPES / samples(text)


@pytest.mark.parametrize("accept", ["text/plain", PROMETHEUS], ids=["text", "openmetrics"])
def test_a_scrape_costs_little_more_than_the_library(accept):
    """On a quiet machine 1.5 times."""
    assert service(accept) < 5 * library()
