import logging
import threading

from service import background


def test_runs_again_and_again_also_after_a_failure(caplog):
    done, runs = threading.Event(), []

    def task():
        runs.append(None)
        if len(runs) == 1:
            raise RuntimeError("the first time")
        if len(runs) == 3:
            done.set()

    background.every(0.01, task)

    assert done.wait(10)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "runs again in 0.01 s" in record.getMessage()
    assert "the first time" in str(record.exc_info[1])


def test_does_not_keep_the_process():
    background.every(60, lambda: None)

    assert all(thread.daemon for thread in threading.enumerate() if thread.name.endswith("(run)"))
