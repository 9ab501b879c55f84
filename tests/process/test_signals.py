"""What each signal does, to the master and to its whole process group; docs/environment.md."""

import contextlib
import fcntl
import json
import os
import pty
import signal
import subprocess
import termios
import time

import pytest

from tests.runtime.gunicorn_process import OURS, REPOSITORY, TEST_APP, Gunicorn
from tests.runtime.ports import free_port
from tests.runtime.raw import connect, eventually, get, metric, read_response

NOTHING = ["HUP", "USR1", "USR2", "TTIN", "TTOU", "WINCH", "ALRM"]
SLOW = b"GET /wait/1.5 HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def server():
    with Gunicorn(*OURS, TEST_APP, DRAIN_SECONDS="1", GRACEFUL_TIMEOUT="5") as gunicorn:
        eventually(lambda: get(gunicorn.management, "/readyz")[0] == 200)
        yield gunicorn


def is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_signals_that_do_nothing(server):
    targets = [os.kill, os.killpg]
    with connect(server.port) as sock:
        sock.sendall(SLOW)
        time.sleep(0.2)
        for send in targets:
            for name in NOTHING:
                send(server.process.pid, getattr(signal, f"SIG{name}"))
        for name in NOTHING:
            os.kill(server.worker, getattr(signal, f"SIG{name}"))
        assert read_response(sock)[0] == 200
    time.sleep(1.2)  # the master looks once a second
    assert get(server.management, "/readyz")[0] == 200
    assert metric(server.management, "hellopod_worker_restarts_total") == 0
    assert not is_gone(server.worker)


@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["master", "group"])
@pytest.mark.parametrize(("name", "finishes"), [("TERM", True), ("INT", True), ("QUIT", False)])
def test_signals_that_end_it(server, send, name, finishes):
    with connect(server.port) as sock:
        sock.sendall(SLOW)
        time.sleep(0.2)
        started = time.monotonic()
        send(server.process.pid, getattr(signal, f"SIG{name}"))
        if finishes:
            assert read_response(sock)[0] == 200
        assert server.wait() == 0
        assert time.monotonic() - started < 10
    eventually(lambda: is_gone(server.worker), 2)


def test_a_worker_that_is_ended_alone_is_unready_until_it_is_replaced(server):
    with connect(server.port) as sock:
        sock.sendall(SLOW)
        time.sleep(0.2)
        os.kill(server.worker, signal.SIGTERM)
        eventually(lambda: get(server.management, "/readyz")[0] == 503, 1)
        assert b'"restarting"' in get(server.management, "/readyz")[2]
        assert get(server.management, "/healthz")[0] == 200
        status, headers, _ = read_response(sock)
        assert (status, headers["connection"]) == (200, "close")
    eventually(lambda: is_gone(server.worker), 5)
    eventually(lambda: get(server.management, "/readyz")[0] == 200, 10)
    assert get(server.port, "/do")[0] == 200
    assert metric(server.management, "hellopod_worker_restarts_total") == 1


class Terminal:
    """Runs a command in the foreground of a terminal of its own."""

    def __init__(self, command, **environ):
        self.end, theirs = pty.openpty()
        self.process = subprocess.Popen(
            ["sh", "-c", command],
            cwd=REPOSITORY,
            env=os.environ | environ,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=self._begin,
        )
        os.close(theirs)

    def _begin(self):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests may run under nohup themselves

    def wait_until_up(self, port):
        """Show what it printed if the service does not come up."""
        try:
            eventually(lambda: is_up(port), 30)
        except AssertionError:
            os.set_blocking(self.end, False)
            printed = b""
            with contextlib.suppress(OSError):  # there is no more
                while piece := os.read(self.end, 4096):
                    printed += piece
            pytest.fail(printed.decode())

    def close(self):
        os.close(self.end)


def is_up(port):
    """Ready, or waiting for what service/api.py needs, such as the schema of a database."""
    try:
        return json.loads(get(port, "/readyz")[2])["status"] in ("ready", "waiting")
    except OSError:
        return False


@pytest.fixture
def ports():
    return {"PORT": str(free_port()), "MANAGEMENT_PORT": str(free_port())}


def test_a_terminal_that_closes_ends_what_runs_in_it(ports):
    """`make run` as a user types it; what is in flight is served first."""
    terminal = Terminal("make --old-file=.venv/runtime run; true", **ports)
    try:
        management = int(ports["MANAGEMENT_PORT"])
        terminal.wait_until_up(management)
        terminal.close()
        eventually(lambda: not is_up(management), 10)
        for port in map(int, ports.values()):
            with pytest.raises(ConnectionRefusedError):
                eventually(lambda port=port: connect(port).close(), 5)
    finally:
        end_group(terminal.process)


def test_what_is_to_outlive_its_terminal_does(ports):
    """As nohup does."""
    terminal = Terminal("nohup make --old-file=.venv/runtime run >/dev/null 2>&1 & wait", **ports)
    try:
        management = int(ports["MANAGEMENT_PORT"])
        terminal.wait_until_up(management)
        terminal.close()
        time.sleep(1.5)
        assert is_up(management)
    finally:
        end_group(terminal.process)


def end_group(process):
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(5)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
