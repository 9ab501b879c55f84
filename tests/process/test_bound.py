"""A test run that is killed leaves no service behind."""

import os
import signal
import subprocess
import sys

import pytest

from tests.runtime.gunicorn_process import REPOSITORY, bound
from tests.runtime.raw import connect, eventually

STARTER = """
import signal
from tests.runtime.gunicorn_process import OURS, TEST_APP, Gunicorn

with Gunicorn(*OURS, TEST_APP) as server:
    print(server.port, flush=True)
    signal.pause()
"""


@pytest.mark.skipif(not bound(), reason="only Linux tells a process that its parent has died")
def test_a_killed_test_run_leaves_no_service_behind():
    command = (sys.executable, "-c", STARTER)
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as starter:
        port = int(starter.stdout.readline())
        connect(port).close()
        os.kill(starter.pid, signal.SIGKILL)

    def nobody_listens():
        try:
            connect(port).close()
        except ConnectionRefusedError:
            return True
        return False

    eventually(nobody_listens)
