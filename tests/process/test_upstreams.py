"""A service that calls another one, as processes under load."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager

from tests.process.balancer import Balancer
from tests.runtime.gunicorn_process import OURS, REPOSITORY, SAMPLE, Gunicorn
from tests.runtime.raw import eventually, get
from tests.service.hostile_upstream import HostileUpstream

BUDGET = 1.0  # seconds
# Requests a second: far from what two busy cores can do, far above what 16 slots can if each is
# held for BUDGET.
RATE = 40
SECONDS = 3


def load(port, path, mode, amount, seconds=SECONDS):
    """Start a load client."""
    command = [sys.executable, "-m", "tests.runtime.load", str(port), path, mode, str(amount)]
    return subprocess.Popen(
        [*command, str(seconds)],
        cwd=REPOSITORY,
        env=os.environ | {"CLIENT_TIMEOUT": "10"},
        stdout=subprocess.PIPE,
    )


def outcomes(client):
    """Return what became of its requests, when it has ended."""
    output, _ = client.communicate(timeout=60)
    return json.loads(output)["outcomes"]


def metric(server, name, **labels):
    """Return the sum of the samples of that name with these labels."""
    text = get(server.management, "/metrics")[2].decode()
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    return sum(
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith((name + "{", name + " ")) and all(each in line for each in wanted)
    )


@contextmanager
def stopped(server):
    """Have a process neither answer nor refuse anything."""
    for process in (server.process.pid, server.worker):
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in (server.worker, server.process.pid):
            os.kill(process, signal.SIGCONT)


def test_upstream_that_hangs_leaves_the_other_routes_served():
    """Each second more ask for what hangs than there are slots; they have answers in time, too.

    A busy machine may cost a run some answers; a bulkhead that fails costs most of them each time.
    """
    settings = {"UPSTREAMS": "", "REQUEST_TIMEOUT": str(BUDGET)}
    with Gunicorn(*OURS, SAMPLE) as upstream:
        settings["UPSTREAMS"] = f"http://127.0.0.1:{upstream.port}"
        with Gunicorn(*OURS, SAMPLE, **settings) as caller:
            shares = []
            while len(shares) < 3 and max(shares, default=0) < 0.95:
                alone = outcomes(load(caller.port, "/version", "open", RATE))
                with stopped(upstream):
                    victims = load(caller.port, "/api/chain", "open", RATE, SECONDS + 1)
                    time.sleep(0.5)  # until they hang
                    beside = outcomes(load(caller.port, "/version", "open", RATE))
                    answered = outcomes(victims)
                print("alone", alone, "beside", beside, "victims", answered)
                shares.append(beside["200"]["count"] / alone["200"]["count"])
                assert answered.keys() <= {"200", "503"}
                assert answered["200"]["p99"] < 4 * BUDGET
            outcome = {"outcome": "full"}
            assert metric(caller, "hellopod_upstream_requests_total", **outcome) > RATE

    assert max(shares) >= 0.95


def test_retries_of_a_failing_upstream_add_a_tenth_at_most():
    with (
        HostileUpstream(lambda *_: False) as failing,
        Gunicorn(*OURS, SAMPLE, UPSTREAMS=failing.url) as caller,
    ):
        outcomes(load(caller.port, "/api/chain", "closed", 4))
        calls = metric(caller, "hellopod_upstream_requests_total", outcome="broken")
        retries = metric(caller, "hellopod_upstream_retries_total")
    print(f"{calls:g} calls, {retries:g} retries, {len(failing.heads)} requests")

    assert calls > 100
    assert 0 < retries <= 0.1 * calls
    assert len(failing.heads) <= 1.1 * calls


def test_rollout_of_the_upstream_loses_nothing():
    """One replaces the other behind its Service, under load."""
    settings = {"DRAIN_SECONDS": "1"}
    with ExitStack() as pods:
        old = pods.enter_context(Gunicorn(*OURS, SAMPLE, POD_NAME="b-0", **settings))
        service = pods.enter_context(Balancer(old.port))
        caller = pods.enter_context(Gunicorn(*OURS, SAMPLE, UPSTREAMS=service.url.rstrip("/")))
        found, over = [], threading.Event()

        def keep_asking():
            while not over.is_set():
                status, _, body = get(caller.port, "/api/chain?strict")
                found.append((status, json.loads(body).get("upstreams") if status == 200 else body))

        clients = [threading.Thread(target=keep_asking) for _ in range(4)]
        for client in clients:
            client.start()
        new = pods.enter_context(Gunicorn(*OURS, SAMPLE, POD_NAME="b-1", **settings))
        eventually(lambda: get(new.management, "/readyz")[0] == 200)
        service.backends[:] = [new.port]
        assert old.stop() == 0
        time.sleep(0.5)
        over.set()
        for client in clients:
            client.join()
    print(len(found), "requests")

    assert [failure for failure in found if failure[0] != 200] == []
    assert {hop["pod"] for _, (hop,) in found} == {"b-0", "b-1"}


def test_upstreams_learn_of_an_overload():
    """gunicorn's hook tells them; retries stop then (tests/service/test_upstream.py)."""
    code = (
        "from types import SimpleNamespace\n"
        "from service import gunicorn_conf\n"
        "from tests.service.sample import create_app\n"
        "app = create_app()\n"
        "worker = SimpleNamespace(wsgi=app, is_overloaded=lambda: True)\n"
        "gunicorn_conf.post_worker_init(worker)\n"
        "assert not app.extensions['upstreams'].calling.may_retry()\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)
