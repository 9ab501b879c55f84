"""Overload: goodput stays near capacity, and the others hear no at once."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.runtime.gunicorn_process import OURS, REPOSITORY, TEST_APP, Gunicorn
from tests.runtime.raw import get, metric

WAIT, BURN = "/wait/0.1", "/burn/0.05"
CLIENTS = {WAIT: 16, BURN: 3}  # as many as keep every slot busy, without a queue
QUEUE_TIMEOUT = 0.3
# Of load, each time. Few requests a second need more of them, or chance decides on the worst 1 %.
SECONDS = {WAIT: 4, BURN: 8}


@pytest.fixture(scope="module")
def server():
    with Gunicorn(*OURS, TEST_APP, QUEUE_TIMEOUT=str(QUEUE_TIMEOUT)) as gunicorn:
        yield gunicorn


def load(server, *arguments):
    command = [sys.executable, "-m", "tests.runtime.load", str(server.port), *map(str, arguments)]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, timeout=90, check=True)
    return json.loads(result.stdout)


def outcome(found, name, key):
    return found["outcomes"].get(name, {}).get(key, 0)


@pytest.mark.parametrize("connections", ["keep", "new"])
@pytest.mark.parametrize(
    ("path", "factor", "share"),
    [(WAIT, 3, 0.95), (WAIT, 10, 0.95), (BURN, 3, 0.9), (BURN, 10, 0.85)],
)
def test_goodput_stays_near_capacity(server, path, factor, share, connections):
    """The shares and the 100 ms are promises. The median of five rounds counts. Each round has the
    capacity before and after it for a reference, because neighbours change that of the machine.
    They also stop the machine for a while. The load client feels this too: that is no refusal's."""

    def measure():
        closed = load(server, path, "closed", CLIENTS[path], SECONDS[path] / 2, connections)
        return outcome(closed, "200", "rate")

    held = []
    before = measure()
    while max(held.count(True), held.count(False)) < 3:
        found = load(server, path, "open", before * factor, SECONDS[path], connections)
        started = time.monotonic()
        assert get(server.port, "/do")[0] == 200
        recovery = time.monotonic() - started
        before, capacity = (after := measure()), (before + after) / 2
        goodput = outcome(found, "200", "rate") / capacity
        refusal = outcome(found, "503", "p99")
        slowest = outcome(found, "200", "max")
        print(
            f"{path} x{factor} {connections}: capacity {capacity:.1f}/s, goodput {goodput:.0%}, "
            f"503 p99 {refusal * 1000:.0f} ms, lateness {found['lateness'] * 1000:.0f} ms, "
            f"slowest 200 {slowest * 1000:.0f} ms, then {recovery * 1000:.0f} ms",
            {name: each["count"] for name, each in found["outcomes"].items()},
        )
        assert outcome(found, "503", "count") > outcome(found, "200", "count")
        in_time = refusal <= 0.1 + found["lateness"]
        held.append(goodput >= share and in_time and recovery <= 0.5)
    assert held.count(True) == 3


def test_cheap_requests_do_not_wait_behind_expensive_ones(server):
    """Twice as many clients as slots ask for 50 ms of CPU each, again and again. Cheap requests
    that come beside these wait for nobody, once the server knows that they are cheap.
    """
    load(server, "/wait/0.02", "number", 1, 3)
    with ThreadPoolExecutor() as threads:
        expensive = threads.submit(load, server, BURN, "closed", 32, 8)
        cheap = load(server, "/wait/0.02", "open", 20, 7)
        shed = outcome(expensive.result(), "503", "count")
    sent = sum(each["count"] for each in cheap["outcomes"].values())

    assert shed > 100  # it was an overload
    assert outcome(cheap, "200", "count") >= 0.98 * sent
    assert outcome(cheap, "200", "p50") <= 0.1  # 20 ms, and turns of two that compute


def starve(process):
    """Give a process no CPU for 0.7 s, and then 3 ms in 40 for 0.3 s more."""
    pauses = [0.7, *[0.037] * 8]
    try:
        for pause in pauses:
            os.kill(process, signal.SIGSTOP)
            time.sleep(pause)
            os.kill(process, signal.SIGCONT)
            time.sleep(0.003)
    finally:
        os.kill(process, signal.SIGCONT)


def test_what_came_while_there_was_no_cpu_is_not_refused(server):
    """As where pods start beside it: 30 requests a second, and four that wait for long."""
    with ThreadPoolExecutor() as threads:
        slow = [threads.submit(get, server.port, "/wait/5") for _ in range(4)]
        fast = threads.submit(load, server, "/burn/0.002", "open", 30, 4, "new")
        time.sleep(1.5)
        starve(server.worker)
        outcomes = fast.result()["outcomes"]

        assert set(outcomes) <= {"200", "timeout"}
        assert outcomes["200"]["count"] > 80  # of 120; a client gives up after a second
        assert [each.result()[0] for each in slow] == [200] * 4


def test_metrics_agree_with_the_client(server):
    names = (
        'hellopod_requests_shed_total{reason="full"}',
        'hellopod_requests_shed_total{reason="timeout"}',
        "hellopod_request_duration_seconds_count",
        "hellopod_queue_seconds_count",
    )
    before = [metric(server.management, name) for name in names]
    outcomes = load(server, WAIT, "open", 480, 2)["outcomes"]
    assert set(outcomes) == {"200", "503"}
    full, timeout, served, queued = (
        metric(server.management, name) - value for name, value in zip(names, before, strict=True)
    )
    assert full + timeout == outcomes["503"]["count"]
    assert served == queued == outcomes["200"]["count"]
    assert metric(server.management, "hellopod_requests_in_flight") == 0
    assert metric(server.management, "hellopod_requests_waiting") == 0


def test_a_short_queue_costs_no_throughput():
    """The event loop sleeps while requests wait; when none does, it has to bring the next ones."""
    limits = {"CONCURRENCY": "1", "QUEUE_LENGTH": "1", "QUEUE_TIMEOUT": "5"}
    with Gunicorn(*OURS, TEST_APP, **limits) as server:
        alone, queueing = (
            outcome(load(server, "/do", "closed", clients, 2, "keep"), "200", "rate")
            for clients in (1, 2)
        )

    assert queueing > alone / 3  # a thirteenth when it slept for all of its 10 ms
