"""Readiness without a dependency, in Flask's own words.

tests/repository/test_guide.py asks under gunicorn.
"""

import threading
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry

from service.dependencies import Dependencies
from tests.runtime.raw import eventually


@dataclass
class Database:
    """A dependency that works, fails or hangs as it is told."""

    works: bool = True
    let_go: threading.Event = field(default_factory=threading.Event)
    hangs: bool = False

    def ping(self):
        if self.hangs:
            self.let_go.wait(30)
        if not self.works:
            raise ConnectionError("no route")


@pytest.fixture
def database():
    database = Database()
    yield database
    database.let_go.set()


@pytest.fixture
def dependencies(app):
    return app.extensions["dependencies"]


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


def test_a_check_that_hangs_is_one_that_fails(dependencies, database):
    dependencies.require("database", database.ping, every=0.05)
    eventually(lambda: dependencies.missing() == [])

    database.hangs = True
    eventually(lambda: dependencies.missing() == ["database"])


def test_each_is_asked_in_a_thread_of_its_own(dependencies, database):
    slow = Database(hangs=True)
    dependencies.require("slow", slow.ping)
    dependencies.require("database", database.ping)

    eventually(lambda: dependencies.missing() == ["slow"])
    slow.let_go.set()
    eventually(lambda: dependencies.missing() == [])  # or its thread logs in the next test


def test_only_changes_are_logged(dependencies, database, caplog):
    caplog.set_level("INFO", logger="service.dependencies")
    dependencies.require("database", database.ping, every=0.01)
    for lines, works in ((1, False), (2, True), (3, True)):
        eventually(lambda lines=lines: len(caplog.records) == lines)
        database.works = works

    expected = ["database works", "not ready: database: no route", "database works"]
    assert [record.getMessage() for record in caplog.records] == expected


def up(client, name):
    line = f'hellopod_dependency_up{{dependency="{name}"}} '
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
    dependencies.require("database", database.ping, every=0.05, ready=False)
    eventually(lambda: up(client, "database") == "1.0")

    database.hangs = True
    eventually(lambda: up(client, "database") == "0.0")


def test_a_name_is_taken_once(dependencies, database):
    dependencies.require("database", database.ping)

    with pytest.raises(ValueError, match="'database' is a dependency already"):
        dependencies.require("database", database.ping, ready=False)


def test_a_check_that_passes_ends_an_outage_of_that_name(database):
    ended = []
    dependencies = Dependencies(CollectorRegistry(), ended.append)
    dependencies.require("database", database.ping, every=0.01)

    eventually(lambda: set(ended) == {"database"})
