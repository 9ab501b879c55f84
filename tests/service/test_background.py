import logging
import threading
import time

import pytest

from service import background


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


def test_an_outage_has_no_traceback(caplog):
    task, done = failing(
        [OSError("to tcp://a:secret@db\n[SQL: SELECT 1]"), OSError("b"), KeyError("c"), None]
    )
    with caplog.at_level(logging.INFO, "service.background"):
        background.every(0.001, task, "asking", lambda problem: isinstance(problem, OSError))
        assert done.wait(10)

    assert [(record.getMessage(), bool(record.exc_info)) for record in caplog.records] == [
        ("asking failed; it runs again in 0.001 s: OSError: to tcp://***@db", False),
        ("asking failed; it runs again in 0.001 s", True),
        ("asking works again, after 3 failures", False),
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
