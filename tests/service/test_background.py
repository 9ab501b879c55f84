import logging
import threading
import time

import pytest

from service import background, outage_log
from tests.runtime.raw import eventually


def failing(problems):
    """Return a task that raises these in turn, and what is set when it has; None: it works."""
    left, done = list(problems), threading.Event()

    def task():
        if not left:
            done.set()
        elif problem := left.pop(0):
            raise problem

    return task, done


@pytest.mark.parametrize(
    ("failures", "logged"),
    [
        ([None], []),
        ([KeyError("a")], ["ERROR KeyError", "INFO after 1 failures"]),
        ([KeyError("a")] * 40, ["ERROR KeyError", "INFO after 40 failures"]),
        (
            [KeyError("a"), OSError("b"), OSError("c"), KeyError("d")],
            ["ERROR KeyError", "ERROR OSError", "ERROR KeyError", "INFO after 4 failures"],
        ),
        ([KeyError("a"), None, KeyError("b")], ["ERROR KeyError", "INFO after 1 failures"] * 2),
        ([SystemExit(1), SystemExit(1)], ["ERROR SystemExit", "INFO after 2 failures"]),
    ],
)
def test_logs_changes_and_not_each_run(caplog, failures, logged):
    task, done = failing([*failures, None, None])
    with caplog.at_level(logging.INFO, "service.background"):
        background.every(0.001, task, name="forgetting old orders")
        assert done.wait(10)

    lines = [
        f"{record.levelname} {record.exc_info[0].__name__}"
        if record.exc_info
        else f"{record.levelname} {record.getMessage().partition(', ')[2]}"
        for record in caplog.records
    ]
    assert lines == logged
    assert all("forgetting old orders" in record.getMessage() for record in caplog.records)


@pytest.fixture
def outages(app):
    app.extensions["outages"].register("database", OSError)
    return app.extensions["outages"]


def logged(caplog):
    return [(record.getMessage(), bool(record.exc_info)) for record in caplog.records]


def test_an_outage_is_said_once_and_a_mistake_with_its_traceback(outages, caplog):
    task, done = failing(
        [
            OSError("to tcp://a:secret@db\n[SQL: SELECT 1]"),
            OSError("b"),
            KeyError("c"),
            OSError("d"),
            None,  # the end is logged after this run, and so before the next one
        ]
    )
    with caplog.at_level(logging.INFO, "service"):
        background.every(0.001, task, "asking", outages)
        assert done.wait(10)

    assert logged(caplog) == [
        ("database fails: OSError: to tcp://***@db", False),
        ("asking failed; it runs again in 0.001 s", True),
        ("asking works again, after 4 failures", False),
    ]


def test_a_task_that_fails_when_its_outage_is_over_says_so_itself(outages, caplog, monkeypatch):
    """Else it would fail in silence, or begin an outage at each run."""
    monkeypatch.setattr(outage_log, "QUIET", 0.0)
    left = [OSError(f"to tcp://a:secret@{number}") for number in range(5)]
    done = threading.Event()

    def task():
        if not left:
            done.set()
        else:
            outages.works("database")  # as a check says, which asks less
            raise left.pop(0)

    with caplog.at_level(logging.INFO, "service"):
        background.every(0.001, task, "asking", outages)
        eventually(lambda: len(caplog.records) == 4)
        assert done.wait(10)

    assert logged(caplog) == [
        ("database fails: OSError: to tcp://***@0", False),
        ("database works again, after 1 failures", False),
        ("asking failed; it runs again in 0.001 s: OSError: to tcp://***@1", False),
        ("asking works again, after 5 failures", False),
    ]


def test_no_run_begins_after_the_end():
    runs, begun, let = [], threading.Event(), threading.Event()

    def task():
        runs.append(1)
        begun.set()
        let.wait(10)

    end = background.every(0.001, task)
    assert begun.wait(10)
    threading.Timer(0.1, let.set).start()
    end()

    assert let.is_set()  # it waited for the run that went on
    time.sleep(0.05)
    assert runs == [1]


def test_does_not_keep_the_process():
    background.every(60, lambda: None, name="nothing")
    (thread,) = (each for each in threading.enumerate() if each.name == "nothing")

    assert thread.daemon
