"""A dependency that goes away and comes back, by real connections from a real process."""

import re
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.outage_log import QUIET
from tests.runtime.gunicorn_process import OURS, Gunicorn
from tests.runtime.invariants import faults
from tests.runtime.ports import free_port
from tests.runtime.raw import connect, eventually, get, is_problem, metric, read_all

REQUESTS = 100


@pytest.fixture
def database():
    """A port that nobody listens at."""
    return free_port()


@pytest.fixture
def server(database):
    app = "tests.process.outage_app:app"
    with Gunicorn(*OURS, app, DATABASE_PORT=str(database)) as server:
        yield server


def lines(server):
    """What was logged, but for the start and the access log."""
    records = [each for each in server.records() if "path" not in each]
    about = ("database", "exception", "Exception")
    return [
        (each["level"], each["message"].partition(":")[0], "exc_info" in each)
        for each in records
        if any(word in each["message"] for word in about)
    ]


def test_an_outage_is_two_lines_and_each_request_a_503(server, database):
    def ask(_):
        return get(server.port, "/orders")

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(ask, range(REQUESTS)))

    assert {status for status, _, _ in answers} == {503}
    assert {headers["retry-after"] for _, headers, _ in answers} == {"5"}
    assert all(is_problem(*answer) for answer in answers)
    name = 'hellopod_dependency_failures_total{dependency="database"}'
    assert metric(server.management, name) == REQUESTS
    assert get(server.management, "/readyz")[0] == 200

    with socket.create_server(("127.0.0.1", database)):
        eventually(lambda: get(server.port, "/orders")[0] == 200)
        server.wait_for("database works again", QUIET + 20)
    begin, end = lines(server)
    assert begin == ("ERROR", "database fails", False)
    assert re.fullmatch(r"database works again, after \d+ failures", end[1])


@pytest.mark.parametrize("path", ["/wrapped", "/after", "/teardown", "/first-part", "/async"])
def test_wherever_it_is_raised(server, path):
    status, headers, body = get(server.port, path)

    assert is_problem(status, headers, body) and (status, headers["retry-after"]) == (503, "5")
    assert headers["x-pod-name"]
    assert get(server.port, "/mistake")[0] == 500
    server.wait_for("Traceback.*KeyError")
    assert [line for line in lines(server) if line[0] == "ERROR"] == [
        ("ERROR", "database fails", False),
        ("ERROR", "Exception on /mistake [GET]", True),
    ]


def test_a_stream_that_has_begun_is_cut(server):
    with connect(server.port) as sock:
        sock.sendall(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
        streamed = read_all(sock)
    assert streamed.startswith(b"HTTP/1.1 200") and not streamed.endswith(b"0\r\n\r\n")
    name = 'hellopod_dependency_failures_total{dependency="database"}'
    assert metric(server.management, name) == 1
    server.wait_for('"path": ?"/stream"')
    assert [line for line in lines(server) if line[0] == "ERROR"] == [
        ("ERROR", "database fails", False)
    ]


def test_an_outage_is_no_fault_and_a_mistake_is_one(server):
    """What the tests of fuzz and hostile requests hold against a service."""
    assert get(server.port, "/orders")[0] == 503
    assert get(server.port, "/asking-task")[0] == 200
    for line in ("database fails: .*refused", "asking failed"):
        server.wait_for(line)
    assert faults(server.records()) == []

    assert get(server.port, "/mistake")[0] == 500
    assert get(server.port, "/mistaken-task")[0] == 200
    server.wait_for("a mistaken task failed")
    assert [record["message"] for record in faults(server.records())] == [
        "Exception on /mistake [GET]",
        "a mistaken task failed; it runs again in 0.1 s",
    ]
    assert not any("asking too" in record["message"] for record in server.records())
