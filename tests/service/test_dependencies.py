"""Readiness without a dependency, in Flask's own words.

tests/repository/test_guide.py asks under gunicorn.
"""

import threading
from dataclasses import dataclass, field

import pytest

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


def test_each_is_asked_in_a_thread_of_its_own(database):
    slow, dependencies = Database(hangs=True), Dependencies()
    dependencies.require("slow", slow.ping)
    dependencies.require("database", database.ping)

    eventually(lambda: dependencies.missing() == ["slow"])
    slow.let_go.set()
    eventually(lambda: dependencies.missing() == [])  # or its thread logs in the next test


def test_only_changes_are_logged(dependencies, database, caplog):
    caplog.set_level("INFO", logger="service.dependencies")
    dependencies.require("database", database.ping, every=0.01)
    eventually(lambda: dependencies.missing() == [])
    database.works = False
    eventually(lambda: dependencies.missing() == ["database"])
    database.works = True
    eventually(lambda: dependencies.missing() == [])

    expected = ["database works", "not ready: database: no route", "database works"]
    # A change is logged after it is there.
    eventually(lambda: len(caplog.records) == len(expected))
    assert [record.getMessage() for record in caplog.records] == expected
