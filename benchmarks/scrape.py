"""CPU time of a scrape, beside what prometheus_client needs to write as many samples.

python -m benchmarks.scrape [SCRAPES]

Both in this run: the worker's CPU time for scrapes of the management port, by a client that keeps
its connection; and generate_latest for the same app after the same requests, in this process.
"""

import sys
import time

from prometheus_client import generate_latest

from service import create_app
from service.config import Config
from tests.runtime.gunicorn_process import Gunicorn
from tests.runtime.raw import connect, metric, read_response, send

from .exposition import samples

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PATHS = ("/", "/version", "/api/identity", "/api/echo", "/openapi.yaml", "/nowhere")


def library(scrapes: int) -> tuple[float, int]:
    """Return seconds of CPU for a sample, and the number of samples, without us."""
    app = create_app(Config())
    for method in METHODS:
        for path in PATHS:
            app.test_client().open(path, method=method)
    registry = app.extensions["metrics_registry"]
    number = samples(generate_latest(registry).decode())
    started = time.process_time()
    for _ in range(scrapes):
        generate_latest(registry)
    return (time.process_time() - started) / scrapes / number, number


def service(scrapes: int, accept: str = "text/plain") -> tuple[float, int]:
    """Return the same for scrapes of the real process."""
    scrape = f"GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n\r\n".encode()
    with Gunicorn() as server:
        for method in METHODS:
            for path in PATHS:
                send(server.port, f"{method} {path} HTTP/1.0\r\n\r\n".encode())
        before = metric(server.management, "process_cpu_seconds_total")
        with connect(server.management) as sock:
            for _ in range(scrapes):
                sock.sendall(scrape)
                text = read_response(sock)[2]
        cpu = metric(server.management, "process_cpu_seconds_total") - before
    number = samples(text.decode())
    return cpu / scrapes / number, number


def main(scrapes: int = 500) -> None:
    openmetrics = "application/openmetrics-text; version=1.0.0"
    for _ in range(3):
        theirs, number = library(scrapes)
        print(f"generate_latest: {theirs * 1e6:.2f} us a sample, {number} samples")
        for accept in ("text/plain", openmetrics):
            ours, number = service(scrapes, accept)
            print(
                f"{accept.partition(';')[0]}: {ours * 1e6:.2f} us a sample, {number} samples, "
                f"{ours * number * 1e3:.1f} ms a scrape: {ours / theirs:.2f} times as much"
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
