"""Readiness without a dependency, in Flask's own words."""

import re
import socket
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field

import pytest

from service import background
from service.checks import MOST
from service.outage_log import FORGOTTEN, QUIET
from tests.runtime.raw import eventually


@dataclass
class Database:
    """A dependency that works, fails or hangs as it is told."""

    works: bool = True
    let_go: threading.Event = field(default_factory=threading.Event)
    hangs: bool = False
    asked: int = 0

    def ping(self):
        self.asked += 1
        if self.hangs:
            self.let_go.wait(30)
        if not self.works:
            raise ConnectionError("no route")

    def recover(self, dependencies):
        """Work again, and have it logged: later that would be in another test."""
        self.works, self.hangs = True, False
        self.let_go.set()
        eventually(lambda: dependencies.is_up("database"))


@pytest.fixture
def database():
    database = Database()
    yield database
    database.let_go.set()


@pytest.fixture
def dependencies(app):
    """Their checks end with the test, or one would be in the log of the next."""
    yield app.extensions["dependencies"]
    app.extensions["closing"].close()


def test_ready_once_it_works_and_while_it_does(client, dependencies, database):
    database.works = False
    dependencies.require("database", database.ping, every=0.05)

    response = client.get("/readyz")
    assert (response.status_code, response.get_json()["detail"]) == (503, "Without database.")
    assert client.get("/healthz").status_code == 200

    database.works = True
    eventually(lambda: client.get("/readyz").status_code == 200)
    database.works = False
    eventually(lambda: client.get("/readyz").status_code == 503)


def test_not_ready_before_the_first_check_is_done(dependencies, database):
    database.hangs = True
    dependencies.require("database", database.ping)

    assert dependencies.missing() == ["database"]


@pytest.fixture
def silent():
    """Connections of a server that takes questions and never answers, and its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def threads(name):
    """Return those that are left of the runs of a check, beside the one that starts them."""
    return sum(each.name == name for each in threading.enumerate()) - 1


def test_a_check_without_an_answer_fails_in_time_and_holds_nothing(
    client, dependencies, silent, database, caplog
):
    answers = False
    asked = []

    def ask():
        if answers:
            return
        with closing(socket.create_connection(silent.getsockname())) as sock:
            asked.append(sock)
            sock.recv(1)

    dependencies.require("silent", ask, every=0.01, timeout=0.05)
    dependencies.require("database", database.ping, every=0.01)

    eventually(lambda: dependencies.missing() == ["silent"] and "silent" in caplog.text)
    assert client.get("/readyz").status_code == 503
    eventually(lambda: len(asked) == MOST)
    database.works = False
    eventually(lambda: dependencies.missing() == ["silent", "database"])
    database.works = True
    eventually(lambda: dependencies.missing() == ["silent"])
    enough = time.monotonic() + 0.5  # ten times its limit: some more would have begun
    eventually(lambda: time.monotonic() > enough)
    assert threads("silent") == len(asked) == MOST
    said = [each.getMessage() for each in caplog.records if "silent" in each.getMessage()]
    assert said == ["not ready: silent: the check did not return within 0.05 s"]

    answers = True
    silent.accept()[0].close()  # the first comes back
    eventually(lambda: dependencies.missing() == [])
    eventually(lambda: threads("silent") == MOST - 1)
    silent.accept()[0].close()
    eventually(lambda: threads("silent") == 0)


def test_a_run_that_never_returns_does_not_keep_the_pod_unready(dependencies):
    gone = threading.Event()
    runs = []

    def check():
        runs.append(None)
        if len(runs) == 1:
            gone.wait(30)

    dependencies.require("database", check, every=0.01, timeout=0.05)

    eventually(lambda: dependencies.missing() == [])
    gone.set()


def test_an_answer_that_comes_too_late_counts_no_more(dependencies, database, caplog):
    database.hangs = True
    dependencies.require("late", database.ping, every=30, timeout=0.01)
    eventually(lambda: "did not return" in caplog.text)

    database.let_go.set()
    eventually(lambda: threads("late") == 0)
    assert dependencies.missing() == ["late"]


def test_a_check_that_exits_is_one_that_fails(dependencies):
    leaves = False

    def check():
        if leaves:
            sys.exit("no")

    dependencies.require("database", check, every=0.01)
    eventually(lambda: dependencies.missing() == [])

    leaves = True
    eventually(lambda: dependencies.missing() == ["database"])
    leaves = False
    eventually(lambda: dependencies.missing() == [])


def test_a_failure_that_becomes_a_silence_is_logged(dependencies, database, caplog):
    database.works = False
    dependencies.require("database", database.ping, every=0.01, timeout=0.05)
    eventually(lambda: len(caplog.records) == 1)

    database.hangs = True
    eventually(lambda: len(caplog.records) == 2)
    assert "did not return within" in caplog.text
    database.recover(dependencies)


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_timeout_is_above_zero(dependencies, database, timeout):
    with pytest.raises(ValueError, match="'database' needs a timeout above 0 s"):
        dependencies.require("database", database.ping, timeout=timeout)
    assert dependencies.missing() == []


def test_each_is_asked_in_a_thread_of_its_own(dependencies, database):
    slow = Database(hangs=True)
    dependencies.require("slow", slow.ping)
    dependencies.require("database", database.ping)

    eventually(lambda: dependencies.missing() == ["slow"])
    slow.let_go.set()
    eventually(lambda: dependencies.missing() == [])  # or it is logged in the next test


def test_only_changes_are_logged(dependencies, database, caplog):
    caplog.set_level("INFO", logger="service.dependencies")
    dependencies.require("database", database.ping, every=0.01)
    for lines, works in ((1, False), (2, True), (3, True)):
        eventually(lambda lines=lines: len(caplog.records) == lines)
        database.works = works

    expected = ["database works", "not ready: database: no route", "database works"]
    assert [record.getMessage() for record in caplog.records] == expected


def up(client, name, metric="hellopod_dependency_up"):
    line = f'{metric}{{dependency="{name}"}} '
    return client.get("/metrics").text.partition(line)[2].partition("\n")[0]


def test_one_that_is_watched_leaves_the_pod_ready(client, dependencies, database, caplog):
    caplog.set_level("INFO", logger="service.dependencies")
    dependencies.require("database", database.ping, every=0.02, ready=False)
    eventually(lambda: up(client, "database") == "1.0")

    database.works = False
    eventually(lambda: len(caplog.records) == 2)
    assert up(client, "database") == "0.0"
    assert client.get("/readyz").status_code == 200
    logged = [record.getMessage() for record in caplog.records]
    assert logged == ["database works", "database does not work: no route"]


def test_one_that_hangs_is_not_up(client, dependencies, database):
    dependencies.require("database", database.ping, every=0.01, ready=False, timeout=0.05)
    eventually(lambda: up(client, "database") == "1.0")

    database.hangs = True
    eventually(lambda: up(client, "database") == "0.0")
    database.recover(dependencies)


def test_no_check_begins_behind_the_closing(app):
    """It would connect anew, through the pool that has been closed."""
    asked = []
    app.extensions["closing"].add(lambda: asked.append("closed"))
    app.extensions["dependencies"].require("store", lambda: asked.append("asked"), every=0.01)
    eventually(lambda: asked)

    app.extensions["closing"].close()
    time.sleep(0.1)

    assert asked[-1] == "closed"


def test_a_name_is_taken_once(dependencies, database):
    dependencies.require("database", database.ping)

    with pytest.raises(ValueError, match="'database' is a dependency already"):
        dependencies.require("database", database.ping, ready=False)


@pytest.fixture
def now(app, monkeypatch):
    """The time of outages, in a list to move it on."""
    now = [1000.0]
    monkeypatch.setattr(app.extensions["outages"], "_clock", lambda: now[0])
    return now


def said(caplog):
    return [f"{each.levelname} {each.getMessage()}" for each in caplog.records]


@pytest.mark.parametrize("first", ["a check", "a task", "a request"])
def test_an_outage_is_one_line_and_its_end_another(
    app, client, dependencies, now, database, caplog, first
):
    """Whoever notices it first: a check, a background task or a request."""
    outages = app.extensions["outages"]
    caplog.set_level("INFO", logger="service")
    outages.register("database", ConnectionError)
    app.add_url_rule("/orders", view_func=database.ping)
    database.works = False
    starts = {
        "a check": lambda: dependencies.require("database", database.ping, 0.01, ready=False),
        "a task": lambda: background.every(0.01, database.ping, "forgetting", outages),
        "a request": lambda: client.get("/orders"),
    }
    for start in (starts.pop(first), *starts.values()):
        start()
        eventually(lambda: caplog.records)
    for more in (10, 20):
        eventually(lambda more=more: database.asked > more)
    assert said(caplog) == ["ERROR database fails: ConnectionError: no route"]
    failures = up(client, "database", "hellopod_dependency_failures_total")
    assert failures == "1.0"  # requests alone

    database.works = True
    eventually(lambda: dependencies.is_up("database"))
    now[0] += QUIET
    eventually(lambda: len(caplog.records) == 2)
    asked = database.asked
    eventually(lambda: database.asked > asked + 10)
    (_, end) = said(caplog)
    assert re.fullmatch(r"INFO database works again, after \d+ failures", end)


def test_one_that_pods_have_each_says_that_it_is_not_ready(app, dependencies, database, caplog):
    """Beside the line of the outage, which may be there while the pod is still ready."""
    app.extensions["outages"].register("database", ConnectionError)
    database.works = False
    dependencies.require("database", database.ping, every=0.01)

    eventually(lambda: caplog.records)
    assert said(caplog) == ["WARNING not ready: database: no route"]


def test_a_long_outage_is_no_new_one_at_each_check(app, dependencies, now, database, caplog):
    app.extensions["outages"].register("database", ConnectionError)
    database.works = False
    dependencies.require("database", database.ping, every=0.01, ready=False)
    eventually(lambda: caplog.records)

    for _ in range(3):
        now[0] += FORGOTTEN + 1
        asked = database.asked
        eventually(lambda asked=asked: database.asked > asked + 2)
    assert len(caplog.records) == 1
