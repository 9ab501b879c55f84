"""make tune beside processes that compute: they take the CPU, and it says so."""

import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager

import pytest

from local import tune
from local.clients import Request
from local.machine import spent
from tests.runtime.gunicorn_process import OURS, TEST_APP

LOOP = "while True: pass"


@contextmanager
def looping():
    process = subprocess.Popen([sys.executable, "-c", LOOP])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def taken():
    """Whether the loops leave nothing idle."""
    before = spent()
    time.sleep(0.5)
    return spent().since(before).idle < 0.1


def test_a_busy_machine_gets_no_advice(capsys):
    with ExitStack() as loops:
        for _ in range(2 * os.cpu_count()):
            loops.enter_context(looping())
        if not taken():
            pytest.skip("a quota keeps the loops from the CPUs")
        tune.main(Request("/burn/0.01"), (*OURS, TEST_APP), seconds=1, counts=(1,))
    printed = capsys.readouterr().out

    assert "The machine is busy: do not trust these numbers. Other processes used " in printed
    assert "CONCURRENCY=" not in printed
