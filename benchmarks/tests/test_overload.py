import json
import socket
import subprocess
import sys

import pytest

from benchmarks import overload
from benchmarks.comparison import rows
from benchmarks.overload import LOADS, SERVERS, Curve, Load
from benchmarks.processes import get, running
from benchmarks.servers import with_steps

ASKED = Load("a wait", "/w100", {3: 0.95})


def found(goodput=0.96, sent=1.0):
    curves = {
        server.name: [Curve(100.0, sent, {1: 0.9, 3: goodput}), Curve(110.0, sent, {1: 1, 3: 0.97})]
        for server in SERVERS
    }
    return {(row["what"], row["server"]): row for row in rows(overload.compared(ASKED, curves))}


def test_each_factor_has_a_row_for_each_server():
    assert [what for what, server in found() if server == "hellopod"] == [
        "capacity: a wait",
        "load that was sent: a wait",
        "goodput at 1 times the capacity: a wait",
        "goodput at 3 times the capacity: a wait",
    ]
    assert len(found()) == 4 * len(SERVERS)


@pytest.mark.parametrize(("goodput", "holds"), [(0.94, True), (0.92, False)])
def test_a_goal_is_of_the_median(goodput, holds):
    row = found(goodput)["goodput at 3 times the capacity: a wait", "hellopod"]

    assert row["goal"] == "value >= 0.95"
    assert row["holds"] is holds
    assert found()["goodput at 3 times the capacity: a wait", "tutorial"]["goal"] is None


def test_a_server_may_serve_nothing():
    curves = {server.name: [Curve(100.0, 1.0, {3: 0.0})] for server in SERVERS}

    assert {row["median"] for row in rows(overload.compared(ASKED, curves))} == {100, 1, 0}


def test_a_load_that_was_not_sent_is_a_miss():
    row = found(sent=0.94)["load that was sent: a wait", "tutorial"]

    assert row["holds"] is False


def test_a_load_is_measured_on_a_real_server():
    """The wait of 0.1 s on 16 threads: far less than half of what it can serve."""
    answers = overload.offer(SERVERS[0], LOADS[0], 1, 30)

    assert answers.outcomes.keys() == {"200"}
    assert answers.count == 30


def test_loads_can_be_keys():
    assert list(overload.measure(0, 1, (3,))) == []


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
def test_each_server_has_the_handlers(server):
    """Each in its own environment, which is made where it is missing."""
    with running(with_steps(server)) as process:
        assert get(f"{process.url}/c1+w1") == b"ok\n"


def test_a_client_without_descriptors_is_late():
    """More wait for their answers than it may open."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as silent:
        port = silent.getsockname()[1]
        command = f"ulimit -n 90; exec {sys.executable} -m tests.runtime.load {port} / open 200 0.5"
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)

    found = json.loads(done.stdout)
    assert found["outcomes"]["timeout"]["count"] == 100
    assert found["lateness"] > 0.5
