"""Whatever becomes of those who read the log, the service serves, and stops in time."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading

import pytest

from tests.process.logged import Logged, Reader
from tests.runtime.raw import eventually

APP = "tests.process.app:app"
FILLED = 5000  # lines of the app's /fill


@pytest.fixture(scope="module")
def usual():
    """One that somebody reads, to run beside another."""
    reader = Reader()
    with Logged(reader.pipe, subprocess.DEVNULL, APP) as server:
        yield server
        server.stop()
    reader.leave()


@pytest.fixture(scope="module")
def longest_stop():
    """Seconds: what it takes where somebody reads, with room for noise, and the second promised."""
    reader = Reader()
    with Logged(reader.pipe, subprocess.DEVNULL, APP) as server:
        server.ask(100)
        usual = server.stop()
    reader.leave()
    return 3 * usual + 1


def is_as_fast(server, usual):
    """Compare rounds of requests that take turns, so that both have the same neighbours."""
    rounds = [(server.ask(100), usual.ask(100)) for _ in range(5)]
    return min(took for took, _ in rounds) < 2 * min(took for _, took in rounds)


def records(lines):
    return [json.loads(line) for line in lines if line != b"." * 999]


def requests(lines):
    return [record for record in records(lines) if record["logger"] == "gunicorn.access"]


def told(lines):
    """How many lines were dropped, as the log says itself."""
    return sum(
        int(record["message"].split()[0])
        for record in records(lines)
        if record["logger"] == "service.output"
    )


def resident(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_reader_that_never_reads(usual, longest_stop):
    reader = Reader(reads=False)
    with Logged(reader.pipe, subprocess.DEVNULL, APP) as server:
        server.ask(1, "/fill")
        [worker] = server.workers()
        dropped, memory = server.dropped(), resident(worker)
        assert dropped > 0
        assert server.is_healthy()

        assert is_as_fast(server, usual)
        # The thread may have filled the pipe's 64 KiB only now: room for 200 lines of 330 bytes.
        assert server.dropped() >= dropped + 290
        server.ask(3, "/fill")
        assert resident(worker) < memory + 2**21
        assert server.is_healthy()
        assert server.stop() < longest_stop
    reader.leave()


def test_a_worker_is_replaced_while_nobody_reads(longest_stop):
    """The master has lines for the log too, and forks while its own are stuck."""
    reader = Reader(reads=False)
    with Logged(reader.pipe, subprocess.DEVNULL, APP, PYTHONWARNINGS="always") as server:
        server.ask(1, "/fill")
        for _ in range(3):
            [worker] = server.workers()
            os.kill(worker, signal.SIGKILL)
            eventually(lambda worker=worker: server.workers() not in ([], [worker]))
            eventually(server.is_ready)
            server.ask(10)
        assert server.dropped() > 0  # by the first one
        assert server.stop() < longest_stop

    assert [record for record in records(reader.lines()) if record["logger"] == "py.warnings"] == []


def test_what_the_master_had_to_say_follows_when_somebody_reads_again():
    reader = Reader(reads=False)
    with Logged(reader.pipe, subprocess.DEVNULL, APP) as server:
        server.ask(1, "/fill")
        [worker] = server.workers()
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: server.workers() not in ([], [worker]))
        reader.reads.set()
        eventually(lambda: b"worker restart 1 in this pod" in reader.data)
        server.stop()

    assert records(reader.lines())[-1]["message"] == "Shutting down: Master"


def test_a_reader_that_pauses():
    reader = Reader()
    with Logged(reader.pipe, subprocess.DEVNULL, APP) as server:
        server.ask(100)
        reader.reads.clear()
        server.ask(1, "/fill")
        server.ask(500)
        assert server.is_healthy()
        reader.reads.set()
        eventually(lambda: b"log lines were dropped" in reader.data)
        server.ask(100)
        dropped = server.dropped()
        server.stop()
    lines = reader.lines()

    assert dropped > 0
    assert told(lines) == dropped
    assert lines.count(b"." * 999) + len(requests(lines)) + dropped == 100 + FILLED + 1 + 500 + 100


def test_a_short_pause_costs_nothing():
    reader = Reader()
    with Logged(reader.pipe, subprocess.DEVNULL, APP) as server:
        reader.reads.clear()
        server.ask(1000)
        reader.reads.set()
        server.ask(10)
        assert server.dropped() == 0
        server.stop()

    assert len(requests(reader.lines())) == 1010


def test_a_reader_that_goes(usual, longest_stop):
    reader, errors = Reader(), Reader()
    with Logged(reader.pipe, errors.pipe) as server:
        server.ask(100)
        eventually(lambda: reader.data.count(b'"gunicorn.access"') == 100)
        reader.leave()
        assert is_as_fast(server, usual)
        eventually(lambda: server.dropped() == 500)
        assert server.is_healthy()
        assert server.stop() < longest_stop

    assert errors.lines() == []


@pytest.mark.parametrize("streams", [(True, False), (False, True), (False, False)])
def test_streams_that_are_closed_at_the_start(longest_stop, streams):
    """No socket may take their numbers: what is written to them would go to a client."""
    readers = [Reader() if is_open else None for is_open in streams]
    with Logged(*(reader and reader.pipe for reader in readers), APP) as server:
        server.ask(100)
        server.ask(10, "/print")
        server.ask(10, "/raise")
        for pid in (server.process.pid, *server.workers()):
            for fd, is_open in zip((1, 2), streams, strict=True):
                target = os.readlink(f"/proc/{pid}/fd/{fd}")
                assert target.startswith("pipe:") if is_open else target == "/dev/null"
        assert server.is_healthy()
        assert server.stop() < longest_stop
    out = readers[0].lines() if readers[0] else []

    assert sum(b'"gunicorn.access"' in line for line in out) == (120 if streams[0] else 0)


@pytest.mark.parametrize("readers", ["stdout", "stderr", "both", "one"])
def test_handlers_that_print_are_not_stuck_either(longest_stop, readers):
    """Nor what Python says of threads that fail. `one` reads both."""
    out, err = Reader(readers == "stderr"), Reader(readers == "stdout")
    if readers == "one":
        os.close(err.pipe)
        err.pipe = os.dup(out.pipe)
    with Logged(out.pipe, err.pipe, APP) as server:
        for _ in range(5):
            server.ask(50, "/print")
            server.ask(10, "/raise")
            assert server.is_healthy()
        assert server.stop() < longest_stop
    out.leave()
    err.leave()


def test_a_print_is_a_line_between_lines():
    reader = Reader()
    with Logged(reader.pipe, os.dup(reader.pipe), APP, PYTHONIOENCODING="ascii") as server:
        threads = [threading.Thread(target=server.ask, args=(50, "/print")) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        server.stop()
    lines = reader.lines()
    printed = [line for line in lines if not line.startswith(b"{")]

    assert len(requests(set(lines) - set(printed))) == 200
    assert b"".join(printed) == "é".encode() * 500 * 400


@pytest.mark.parametrize("environ", [{"PYTHONIOENCODING": "ascii"}, {"LANG": "C", "LC_ALL": "C"}])
def test_text_that_is_not_ascii_is_there_whatever_the_locale(environ):
    reader = Reader()
    settings = environ | {"PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    with Logged(reader.pipe, os.dup(reader.pipe), **settings) as server:
        server.ask(1, "/?q", agent="é".encode().decode("latin-1"))
        server.stop()

    assert [record["user_agent"] for record in requests(reader.lines())] == ["é"]


def test_a_full_disk(usual, longest_stop):
    with Logged(os.open("/dev/full", os.O_WRONLY), os.open("/dev/full", os.O_WRONLY)) as server:
        assert is_as_fast(server, usual)
        eventually(lambda: server.dropped() >= 500)
        assert server.is_healthy()
        assert server.stop() < longest_stop


def test_a_file_is_complete(tmp_path):
    file = tmp_path / "log"
    with Logged(os.open(file, os.O_WRONLY | os.O_CREAT), subprocess.DEVNULL) as server:
        server.ask(1000)
        server.stop()

    assert len(requests(file.read_bytes().splitlines())) == 1000


def test_no_line_is_lost_at_the_end():
    """The last ones have only just been made."""
    reader = Reader()
    with Logged(reader.pipe, subprocess.DEVNULL) as server:
        for _ in range(5):
            server.ask(100)
        server.stop()
    lines = reader.lines()

    assert len(requests(lines)) == 500
    assert records(lines)[-1]["message"] == "Shutting down: Master"


def test_a_print_without_an_end_of_line_is_there_at_the_end():
    reader = Reader()
    with Logged(reader.pipe, subprocess.DEVNULL, APP) as server:
        server.ask(1, "/half")
        server.stop()

    assert any(line.startswith(b"half") for line in reader.lines())


def test_a_slow_reader_holds_the_stop_up_once(longest_stop):
    """It takes 4 KiB every 0.1 s: never stuck, and never done."""
    end, pipe = os.pipe()
    ended = threading.Event()

    def read_slowly():
        while not ended.wait(0.1):
            os.read(end, 4096)

    reader = threading.Thread(target=read_slowly)
    with Logged(pipe, subprocess.DEVNULL, APP) as server:
        server.ask(1, "/fill")
        reader.start()
        took = server.stop()
        ended.set()
        reader.join(10)
    os.close(end)

    assert took < longest_stop


def test_a_terminal_that_is_stuck_and_goes(longest_stop):
    controller, terminal = pty.openpty()
    with Logged(terminal, os.dup(terminal), APP) as server:
        server.ask(200, "/print")
        assert server.is_healthy()
        os.close(controller)
        server.ask(100, "/print")
        assert server.is_healthy()
        assert server.stop() < longest_stop


def test_the_first_lines_are_there_if_the_start_is_interrupted():
    code = (
        "import logging.config, os, signal, time\n"
        "from service import gunicorn_conf\n"
        "logging.config.dictConfig(gunicorn_conf.logconfig_dict)\n"
        "logging.getLogger().info('begun')\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "time.sleep(5)\nos._exit(9)\n"
    )
    environ = {"PATH": os.environ["PATH"], "POD_NAME": "pod-1"}
    run = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, timeout=20)

    assert run.returncode == 0
    assert [record["message"] for record in records(run.stdout.splitlines())] == ["begun"]
