"""Exceptions of a dependency, in Flask's own words; tests/process/test_outages.py asks gunicorn."""

import logging
import threading

import pytest
from flask import Flask
from prometheus_client import CollectorRegistry
from werkzeug.exceptions import NotFound

from service.outage_log import FORGOTTEN, QUIET
from service.outages import Outages


class DatabaseError(Exception):
    """As drivers have one, with others below it."""


class Unreachable(DatabaseError):
    pass


class CacheError(Exception):
    pass


@pytest.fixture
def now():
    """The time, in a list to move it on."""
    return [1000.0]


@pytest.fixture
def bare():
    """An app that has nothing but a registry of metrics."""
    app = Flask(__name__)
    app.extensions["metrics_registry"] = CollectorRegistry()
    return app


@pytest.fixture
def outages(bare, now):
    return Outages(bare, clock=lambda: now[0])


def logged(caplog):
    """What requests have logged: they run in this thread.

    A check or a task of another test's app may still be under way in a thread of its own.
    """
    return [each for each in caplog.records if each.thread == threading.get_ident()]


@pytest.fixture
def lines(caplog):
    """Returns the lines of the log since the last call."""
    caplog.set_level(logging.INFO)

    def take():
        records = logged(caplog)
        said = [f"{record.levelname} {record.getMessage()}" for record in records]
        assert not any(record.exc_info for record in records)
        caplog.clear()
        return said

    return take


def raising(app, error, path="/orders", **options):
    def view():
        raise error

    app.add_url_rule(path, path, view, **options)


def counted(client, name):
    start = f'hellopod_dependency_failures_total{{dependency="{name}"}} '
    return client.get("/metrics").text.partition(start)[2].partition("\n")[0]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_is_answered_with_503_that_says_when(app, client, lines, method):
    app.extensions["outages"].register("database", DatabaseError, retry_after=7)
    raising(app, Unreachable("to 10.0.0.7 as admin\n[SQL: SELECT secret]"), methods=["GET", "POST"])
    assert counted(client, "database") == "0.0"

    response = client.open("/orders", method=method)

    assert (response.status_code, response.headers["Retry-After"]) == (503, "7")
    assert response.content_type == "application/problem+json"
    assert response.headers["X-Pod-Name"]
    assert b"10.0.0.7" not in response.data
    if method != "HEAD":
        assert response.get_json()["detail"] == "The database does not answer."
    assert lines() == ["ERROR database fails: Unreachable: to 10.0.0.7 as admin"]
    assert counted(client, "database") == "1.0"


def test_only_the_begin_and_the_end_are_logged(bare, outages, now, lines):
    outages.register("database", DatabaseError)
    raising(bare, DatabaseError("gone"))
    client = bare.test_client()

    for _ in range(50):
        client.get("/orders")
        outages.works("database")  # another request came through
    assert lines() == ["ERROR database fails: DatabaseError: gone"]

    now[0] += QUIET
    for _ in range(50):
        outages.works("database")
    assert lines() == ["INFO database works again, after 50 failures"]

    client.get("/orders")
    assert lines() == ["ERROR database fails: DatabaseError: gone"]


def test_an_outage_that_nobody_ended_is_forgotten(bare, outages, now, lines):
    outages.register("database", DatabaseError)
    raising(bare, DatabaseError("gone"))
    client = bare.test_client()

    for wait, logged in ((0, 1), (FORGOTTEN - 1, 0), (FORGOTTEN + 1, 1)):
        now[0] += wait
        client.get("/orders")
        assert len(lines()) == logged
    now[0] += QUIET
    outages.works("database")
    assert lines() == ["INFO database works again, after 1 failures"]


def test_two_are_told_apart(app, client, lines):
    outages = app.extensions["outages"]
    outages.register("database", DatabaseError)
    outages.register("cache", CacheError, retry_after=1)
    raising(app, DatabaseError("a"))
    raising(app, CacheError("b"), "/cached")

    details = [client.get(path).get_json()["detail"] for path in ("/orders", "/cached", "/orders")]

    assert details == [f"The {name} does not answer." for name in ("database", "cache", "database")]
    assert lines() == [
        "ERROR database fails: DatabaseError: a",
        "ERROR cache fails: CacheError: b",
    ]
    assert (counted(client, "database"), counted(client, "cache")) == ("2.0", "1.0")


def test_a_handler_for_a_narrower_class_comes_first(app, client, lines):
    app.register_error_handler(Unreachable, lambda error: ("mine", 502))
    app.extensions["outages"].register("database", DatabaseError)
    raising(app, Unreachable("a"))

    assert client.get("/orders").status_code == 502
    assert (lines(), counted(client, "database")) == ([], "0.0")


def test_other_exceptions_keep_their_traceback(app, client, caplog):
    app.extensions["outages"].register("database", DatabaseError)
    raising(app, KeyError("a mistake"))
    raising(app, NotFound(), "/nothing")

    assert [client.get(path).status_code for path in ("/orders", "/nothing")] == [500, 404]
    (record,) = logged(caplog)
    assert record.exc_info[0] is KeyError


def test_hooks_before_a_view_are_served_too(app, client):
    app.extensions["outages"].register("database", DatabaseError)

    @app.before_request
    def authenticate():
        raise DatabaseError("gone")

    assert client.get("/api/anything").status_code == 503


@pytest.mark.parametrize(
    ("exceptions", "options", "reason"),
    [
        ((), {}, "needs exceptions"),
        ((CacheError,), {"retry_after": 0}, "1 s or more"),
        ((DatabaseError,), {}, "'cache' cannot have DatabaseError: it has a handler already"),
        ((ValueError,), {}, "'cache' cannot have ValueError: it has a handler already"),
        ((CacheError, CacheError), {}, "each once"),
        ((CacheError, Exception), {}, "every mistake is one"),
        ((NotFound,), {}, "it is an answer already"),
    ],
)
def test_what_hides_mistakes_is_refused(bare, outages, exceptions, options, reason):
    bare.register_error_handler(ValueError, lambda error: "mine")
    outages.register("database", DatabaseError)

    with pytest.raises(ValueError, match=reason):
        outages.register("cache", *exceptions, **options)
    outages.register("cache", CacheError)  # nothing of it has stayed


def test_a_name_is_taken_once(outages):
    outages.register("database", DatabaseError)

    with pytest.raises(ValueError, match="'database'"):
        outages.register("database", CacheError)


def test_a_name_that_nobody_registered_works(outages, lines):
    outages.works("database")

    assert lines() == []
