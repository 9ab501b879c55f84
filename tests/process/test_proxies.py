"""Behind nginx, HAProxy and Envoy no request is lost, whatever becomes of the processes."""

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from tests.process.proxy_load import Load, pausing
from tests.process.proxy_processes import proxies
from tests.runtime.gunicorn_process import OURS, Gunicorn
from tests.runtime.raw import eventually

APP = (*OURS, "tests.process.proxied:app")
# Its keep-alive of 2 s is gunicorn's own, and so is all else but the threads: as many as ours.
STOCK = (
    *("-m", "gunicorn", "tests.process.proxied:plain"),
    *("--worker-class", "gthread", "--threads", "16"),
)
DRAIN = "3"  # seconds: several times what HAProxy and Envoy need to see a failed check
KEEPALIVE = 1  # seconds: less than any proxy keeps an idle connection
AGE = 2  # seconds
STEADILY = pausing(0.02, 0.06)


@pytest.fixture
def behind(tmp_path):
    """Give a way to have two processes behind the three proxies, under load."""

    @contextlib.contextmanager
    def have(*arguments, pause=STEADILY, clients=6, kinds=(0, 1, 2, 3), **settings):
        # On a busy machine a request waits for its slot, and is not refused.
        settings = {"QUEUE_TIMEOUT": "10", "DRAIN_SECONDS": DRAIN} | settings
        with contextlib.ExitStack() as stack:
            pods = [stack.enter_context(Gunicorn(*arguments, **settings)) for _ in range(2)]
            ports = stack.enter_context(proxies(tmp_path, *(pod.port for pod in pods)))
            loads = {
                name: stack.enter_context(Load(port, clients, pause, kinds))
                for name, port in ports.items()
            }
            for load in loads.values():
                eventually(lambda load=load: load.answered, 20)
            yield pods, loads

    return have


def lost(loads):
    """Return what failed, by proxy; fails where too little was asked to say anything."""
    for name, load in loads.items():
        assert load.answered > 60, (name, load.answered)
    return {name: load.failures for name, load in loads.items() if load.failures}


def test_stop_with_drain(behind):
    with behind(*APP) as (pods, loads):
        pods[0].signal(signal.SIGTERM)
        assert pods[0].wait() == 0
        time.sleep(1)  # without it

    assert lost(loads) == {}


def test_stock_gunicorn_loses_requests_at_a_stop(behind):
    """So the load above finds what is lost."""
    with behind(*STOCK, "--bind", "127.0.0.1:0") as (pods, loads):
        pods[0].signal(signal.SIGTERM)
        pods[0].wait()
        time.sleep(1)

    assert lost(loads)


def test_rollout(behind):
    """The new process takes the port of the old one, as a pod would take its endpoint's place."""
    with contextlib.ExitStack() as stack, behind(*APP) as (pods, loads):
        for pod in pods:
            pod.signal(signal.SIGTERM)
            assert pod.wait() == 0
            new = {"PORT": str(pod.port), "POD_NAME": f"new-{pod.port}"}
            stack.enter_context(Gunicorn(*APP, **pod.environ | new))
            # The proxies have found it, so that the next one may go.
            eventually(lambda name=new["POD_NAME"]: all(name in x.pods for x in loads.values()), 30)

    assert lost(loads) == {}


def test_hangup(behind):
    with behind(*APP) as (pods, loads):
        for pod in pods:
            pod.signal(signal.SIGHUP)
        time.sleep(2)
        assert all(pod.process.poll() is None for pod in pods)

    assert lost(loads) == {}


def has_gone(pid):
    """Whether the kernel has closed all that a process had open."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] in "ZX"
    except FileNotFoundError:
        return True


def test_killed_worker(behind):
    """Nothing is lost but what the worker had when it went."""
    with behind(*APP) as (pods, loads):
        time.sleep(1)
        killed = time.monotonic()
        os.kill(pods[0].worker, signal.SIGKILL)
        eventually(lambda: has_gone(pods[0].worker))
        gone = time.monotonic()
        pods[0].wait_for("worker restart 1 in this pod")
        time.sleep(2)

    for name, failures in lost(loads).items():
        # A proxy may yet use a connection whose end it has not read.
        assert all(began < gone + 0.1 and ended > killed for began, ended, _ in failures), (
            name,
            killed,
            gone,
            failures,
        )
        assert len(failures) <= loads[name].clients


def test_age(behind):
    with behind(*APP, MAX_CONNECTION_AGE=str(AGE)) as (_, loads):
        time.sleep(3 * AGE)

    assert lost(loads) == {}


def test_keepalive_below_the_proxys_idle_time(behind):
    with behind(*APP, KEEPALIVE=str(KEEPALIVE)) as (_, loads):
        time.sleep(4 * KEEPALIVE)

    assert lost(loads) == {}


def test_requests_that_meet_the_end_of_keepalive(behind):
    """All of them aim at it, and the proxy may send them again: see docs/proxies.md."""
    near = pausing(KEEPALIVE - 0.02, KEEPALIVE + 0.02)
    with behind(*APP, KEEPALIVE=str(KEEPALIVE), pause=near, clients=12, kinds=(0,)) as (_, loads):
        time.sleep(7 * KEEPALIVE)

    assert lost(loads) == {}
