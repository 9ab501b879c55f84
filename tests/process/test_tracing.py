"""Spans of a real gunicorn, and what a collector that is gone does to it: nothing."""

import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from tests.process.collector import Collector, attributes
from tests.runtime.gunicorn_process import OURS, REPOSITORY, SAMPLE, Gunicorn
from tests.runtime.raw import connect, eventually, get, read_response

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"traceparent: 00-{TRACE}-{SPAN}-01\r\n"
POD = {"POD_NAMESPACE": "test", "POD_IP": "10.0.0.1", "NODE_NAME": "node-1"}
NEVER = {"OTEL_BSP_SCHEDULE_DELAY": "600000"}  # ms: whatever arrives was sent at the stop
TOKEN = "0123456789abcdef"
FLUSH = 2  # seconds, of gunicorn_conf


@pytest.fixture
def collector():
    with Collector() as running:
        yield running


def ready(server):
    eventually(lambda: get(server.management, "/readyz")[0] == 200, 20)


def seconds_to_stop(server):
    started = time.monotonic()
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    return time.monotonic() - started


def test_one_span_a_request_and_none_lost_at_sigterm(collector):
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url} | POD | NEVER
    with Gunicorn(*OURS, SAMPLE, **settings) as server:
        ready(server)
        with connect(server.port) as sock:
            for _ in range(300):
                sock.sendall(f"GET / HTTP/1.1\r\nHost: a\r\n{TRACEPARENT}\r\n".encode())
                assert read_response(sock)[0] == 200
        assert collector.spans == []
        assert seconds_to_stop(server) < 10

    assert len({span.span_id for span in collector.spans}) == len(collector.spans) == 300
    assert {span.name for span in collector.spans} == {"GET /"}
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    assert {span.parent_span_id.hex() for span in collector.spans} == {SPAN}
    assert (
        collector.resource.items()
        >= {
            "service.name": "hellopod",
            "k8s.pod.name": "pod-1",
            "k8s.namespace.name": "test",
            "k8s.pod.ip": "10.0.0.1",
            "k8s.node.name": "node-1",
        }.items()
    )
    logged = [r["span_id"] for r in server.records() if r["logger"] == "gunicorn.access"]
    assert sorted(logged) == sorted(span.span_id.hex() for span in collector.spans)


def test_none_is_lost_when_a_request_uses_up_the_grace_period(collector):
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "CHAOS_TOKEN": TOKEN} | NEVER
    with (
        Gunicorn(*OURS, SAMPLE, **settings, GRACEFUL_TIMEOUT="1") as server,
        connect(server.port) as stuck,
    ):
        ready(server)
        stuck.sendall(
            b"GET /chaos/wait?seconds=30 HTTP/1.1\r\nHost: a\r\n"
            b"Authorization: Bearer %s\r\n\r\n" % TOKEN.encode()
        )
        assert get(server.port, "/version")[0] == 200
        assert seconds_to_stop(server) < 15

    assert [span.name for span in collector.spans] == ["GET /version"]


def test_spans_leave_while_it_serves(collector):
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    with Gunicorn(*OURS, SAMPLE, **settings) as server:
        ready(server)
        assert get(server.port, "/nope")[0] == 404
        eventually(lambda: collector.spans)

    assert attributes(collector.spans[0])["http.response.status_code"] == 404


def test_no_thread_before_the_fork(collector):
    """A lock that another thread holds at a fork is never released in the child."""
    with Gunicorn(*OURS, SAMPLE, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url) as server:
        ready(server)
        threads = {
            pid: len(os.listdir(f"/proc/{pid}/task")) for pid in (server.process.pid, server.worker)
        }

    assert threads[server.process.pid] == 1
    assert threads[server.worker] > 1
    assert not [line for line in server.lines if "Warning" in line]


@pytest.fixture(params=["refuses", "hangs"])
def broken(request, collector):
    """Give the address of a collector that takes no spans."""
    collector.hangs = True
    if request.param == "hangs":
        yield collector.url
        return
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


def test_a_broken_collector_hurts_nobody(broken):
    # More spans than its queue holds, in batches that it tries to send all the time.
    settings = {"OTEL_BSP_MAX_QUEUE_SIZE": "64", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "32"}
    with Gunicorn(*OURS, SAMPLE, OTEL_EXPORTER_OTLP_ENDPOINT=broken, **settings) as server:
        ready(server)
        with connect(server.port) as sock:
            slowest = 0
            for _ in range(300):
                started = time.monotonic()
                sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert read_response(sock)[0] == 200
                slowest = max(slowest, time.monotonic() - started)
        assert slowest < 3  # an export takes 7 s or more
        assert seconds_to_stop(server) < FLUSH + 6

    records = [r for r in server.records() if r["logger"].startswith("opentelemetry")]
    assert len(records) < 20
    assert not [r for r in server.records() if "exc_info" in r]
    assert any("spans are lost" in r["message"] for r in server.records())


def start_without_opentelemetry(folder, *arguments, **settings):
    """Start with all packages but those of the extra; return exit code and output."""
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        if not package.name.startswith("opentelemetry"):
            (folder / package.name).symlink_to(package)
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder)}
    # -S: no site-packages but this folder.
    return subprocess.run(
        [sys.executable, "-S", *OURS, SAMPLE, *arguments],
        cwd=REPOSITORY,
        env=environ | {"PORT": "0", "MANAGEMENT_PORT": "0"} | settings,
        capture_output=True,
        text=True,
        timeout=20,
    )


def test_without_the_extra_it_does_not_start(tmp_path):
    run = start_without_opentelemetry(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT="http://collector:4318")

    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == (
        "hellopod: OTEL_EXPORTER_OTLP_ENDPOINT='http://collector:4318' is not allowed: "
        "OpenTelemetry is not installed; requirements-otel.txt has it, "
        "and so has an image built with it as build argument REQUIREMENTS\n"
    )


@pytest.mark.parametrize("arguments", [[], ["--check-config"]])
def test_what_the_sdk_refuses_ends_the_start(arguments):
    run = subprocess.run(
        [sys.executable, *OURS, *arguments],
        cwd=REPOSITORY,
        env={
            "PATH": os.environ["PATH"],
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
            "OTEL_SPAN_EVENT_COUNT_LIMIT": "many",
        },
        capture_output=True,
        text=True,
        timeout=20,
    )

    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == (
        "hellopod: OTEL_SPAN_EVENT_COUNT_LIMIT='many' is not allowed: "
        "a whole number from 0 to 2147483647\n"
    )


def test_without_endpoint_the_extra_is_not_needed(tmp_path):
    run = start_without_opentelemetry(tmp_path, "--check-config")

    assert (run.returncode, run.stderr) == (0, "")
