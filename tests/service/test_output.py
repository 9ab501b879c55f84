"""Lines for a pipe, a file or a socket, and what becomes of them if nobody takes them."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from service.output import MOST_BYTES, MOST_LINES, Output
from tests.runtime.gunicorn_process import REPOSITORY
from tests.runtime.raw import eventually

LINE = b"x" * 499 + b"\n"


class Pipe:
    """A pipe, and an output that writes to it."""

    def __init__(self):
        self.end, self.start = os.pipe()
        self.output = Output(self.start)
        self.closed = False

    def read(self, seconds=10):
        """Return all lines, as soon as nothing is left."""
        os.set_blocking(self.end, False)
        data = b""
        deadline = time.monotonic() + seconds
        while self.output._size and time.monotonic() < deadline:
            data += self._available()
            time.sleep(0.002)
        data += self._available()
        return data.splitlines(keepends=True)

    def _available(self):
        try:
            return os.read(self.end, 1 << 20)
        except BlockingIOError:
            return b""

    def leave(self):
        os.close(self.end)
        self.closed = True


@pytest.fixture
def pipe():
    pipe = Pipe()
    yield pipe
    if not pipe.closed:
        pipe.read(1)
        pipe.leave()
    os.close(pipe.start)


def fill(output):
    """Put lines until some are dropped; return how many were put, and how long the slowest took."""
    put, slowest = 0, 0.0
    while not output.dropped:
        started = time.monotonic()
        output.put(LINE)
        slowest = max(slowest, time.monotonic() - started)
        put += 1
    return put, slowest


def test_every_line_of_many_threads_is_whole_and_there(pipe):
    def work(number):
        for record in range(200):
            pipe.output.put(json.dumps([number, record]).encode() + b"\n")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    lines = [json.loads(line) for line in pipe.read()]
    assert sorted(lines) == [[number, record] for number in range(8) for record in range(200)]
    for number in range(8):  # each thread's own in order
        assert [record for who, record in lines if who == number] == list(range(200))
    assert pipe.output.dropped == 0


def test_lines_wait_for_company_but_not_for_long():
    """Each write is a packet of its own here."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        output = Output(ours.fileno())
        for number in range(20):
            output.put(b"%d\n" % number)
        theirs.settimeout(5)  # 0.1 s is promised
        packets = [theirs.recv(65536)]
        while sum(packet.count(b"\n") for packet in packets) < 20:
            packets.append(theirs.recv(65536))
        output.flush()

    assert len(packets) < 5
    assert b"".join(packets) == b"".join(b"%d\n" % number for number in range(20))


def test_what_a_pipe_takes_whole_is_written_at_once():
    """Another process writes to it too: none of its lines may come between two halves of one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        output = Output(ours.fileno())
        for number in range(100):
            output.put(b"%d" % number + LINE)
        output.put(b"long" * 4000 + b"\n")
        theirs.settimeout(5)
        packets = []
        while b"".join(packets).count(b"\n") < 101:
            packets.append(theirs.recv(65536))

    assert all(packet.endswith(b"\n") for packet in packets)
    assert all(len(packet) <= 4096 for packet in packets[:-1])
    assert packets[-1] == b"long" * 4000 + b"\n"


def test_nobody_reads(pipe, caplog):
    """What is written and what is dropped are all there were; it is told when there is room."""
    put, slowest = fill(pipe.output)
    for _ in range(1000):
        pipe.output.put(LINE)
    put += 1000
    assert slowest < 1
    assert put - pipe.output.dropped < MOST_BYTES / len(LINE) + 65536 / len(LINE) + 10
    assert not caplog.records

    lines = pipe.read()
    assert set(lines) == {LINE}
    assert len(lines) + pipe.output.dropped == put
    [told] = eventually(lambda: caplog.messages)
    assert told == f"{pipe.output.dropped} log lines were dropped"
    pipe.output.put(b"more\n")
    assert pipe.read() == [b"more\n"]
    assert len(caplog.messages) == 1


def test_short_lines_are_bounded_too(pipe):
    for _ in range(MOST_LINES + 40_000):
        pipe.output.put(b"\n")

    assert pipe.output._size <= MOST_LINES + 4096
    assert len(pipe.read()) + pipe.output.dropped == MOST_LINES + 40_000


def test_a_line_that_is_too_long_is_dropped_alone(pipe):
    pipe.output.put(b"x" * MOST_BYTES + b"\n")
    pipe.output.put(b"next\n")

    assert pipe.read() == [b"next\n"]
    assert pipe.output.dropped == 1


def test_the_reader_goes(pipe, capfd):
    pipe.output.put(b"read\n")
    assert pipe.read() == [b"read\n"]
    pipe.leave()
    for _ in range(100):
        pipe.output.put(LINE)
    eventually(lambda: not pipe.output._size)

    assert pipe.output.dropped == 100
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("output", [Output(None), Output(os.open("/dev/full", os.O_WRONLY))])
def test_nobody_can_read(output):
    for _ in range(100):
        output.put(LINE)
    output.flush()

    eventually(lambda: output.dropped == 100)


def test_half_a_line_is_finished_when_the_disk_has_room_again(tmp_path, caplog):
    """A limit of the size of files stands for the disk."""
    file = tmp_path / "log"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with file.open("wb") as opened:
        output = Output(opened.fileno())
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_250, limits[1]))
        try:
            for number in range(100):
                output.put(b"%03d" % number + LINE)
            eventually(lambda: output.dropped)
            output.flush()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert file.stat().st_size == 10_250
        for number in range(100, 200):
            output.put(b"%03d" % number + LINE)
        output.flush()
        eventually(lambda: not output._size)

    numbers = [int(line[:3]) for line in file.read_bytes().splitlines()]
    assert all(line[3:] == LINE for line in file.read_bytes().splitlines(keepends=True))
    assert numbers[:21] == list(range(21)) and numbers[21:] == list(range(100, 200))
    assert len(numbers) + output.dropped == 200
    assert caplog.messages == [f"{output.dropped} log lines were dropped"]


def test_somebody_else_made_it_non_blocking(pipe):
    os.set_blocking(pipe.start, False)
    put, _ = fill(pipe.output)

    assert len(pipe.read()) + pipe.output.dropped == put


def test_flush_waits_for_a_reader_that_reads(pipe):
    for _ in range(100):
        pipe.output.put(LINE)
    pipe.output.flush()

    assert pipe.output._size == 0
    assert len(pipe.read()) == 100


def test_flush_does_not_wait_for_a_reader_that_is_stuck(pipe):
    fill(pipe.output)
    started = time.monotonic()
    pipe.output.flush()
    assert time.monotonic() - started < 2  # 1 s is promised
    started = time.monotonic()
    for _ in range(100):
        pipe.output.flush()
    assert time.monotonic() - started < 2  # that it is stuck is known


def test_flush_waits_for_a_slow_reader_no_longer_than_promised(pipe):
    fill(pipe.output)
    ended = threading.Event()

    def read_slowly():
        while not ended.wait(0.05):
            os.read(pipe.end, 4096)

    reader = threading.Thread(target=read_slowly)
    reader.start()
    started = time.monotonic()
    pipe.output.flush()
    took = time.monotonic() - started
    ended.set()
    reader.join()

    assert 0.9 < took < 3


def test_a_signal_handler_may_log_too(pipe):
    """It interrupts the thread that holds the lock."""
    interrupted = 0

    def interrupt(*_):
        nonlocal interrupted
        interrupted += 1
        pipe.output.put(b"signal\n")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        put = 0
        while interrupted < 200:
            pipe.output.put(b"line\n")
            put += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    lines = pipe.read()
    assert len(lines) + pipe.output.dropped == put + interrupted
    assert set(lines) <= {b"line\n", b"signal\n"}


FORKING = """
import os, threading, time
threads = []
os.register_at_fork(before=lambda: threads.append(threading.active_count()))  # is called last
from service.streams import STDOUT, STDERR
STDOUT.put(b"before\\n")
STDERR.put(b"before\\n")
if stuck:
    while not STDOUT.dropped:
        STDOUT.put(b"x" * 499 + b"\\n")
    time.sleep(0.3)
if os.fork() == 0:
    assert STDOUT._size == 0
    STDOUT.put(b"child\\n")
    STDOUT.flush()
    os._exit(0)
_, status = os.wait()
assert (status, threads) == (0, [1])
STDOUT.put(b"parent\\n")
"""


@contextmanager
def running(code, **options):
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def test_a_fork_has_no_thread_and_no_lines_twice():
    with running("stuck = False\n" + FORKING) as process:
        out, err = process.communicate(timeout=30)

    assert (process.returncode, err) == (0, b"before\n")
    assert sorted(out.splitlines()) == [b"before", b"child", b"parent"]


def test_a_fork_does_not_wait_for_a_reader_that_is_stuck():
    with running("stuck = True\n" + FORKING) as process:
        assert process.wait(30) == 0
        assert process.stderr.read() == b"before\n"


def test_lines_that_a_child_drops_are_seen_by_its_parent():
    code = (
        "import os\nfrom service.output import MOST_BYTES\nfrom service.streams import STDOUT\n"
        "if not os.fork():\n    STDOUT.put(b'x' * MOST_BYTES + b'\\n')\n    os._exit(0)\n"
        "os.wait()\nSTDOUT.put(b'%d' % STDOUT.dropped)"
    )
    with running(code) as process:
        assert process.communicate(timeout=30) == (b"1", b"")


def test_a_process_that_may_not_have_the_thread():
    """Its address space has no room for the stack."""
    code = (
        "import resource, threading\nfrom service.streams import STDOUT\n"
        "threading.stack_size(1 << 30)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "for number in range(3):\n    STDOUT.put(b'%d\\n' % number)"
    )
    with running(code) as process:
        assert process.communicate(timeout=30) == (b"0\n1\n2\n", b"")


def test_the_thread_is_not_one_for_signals():
    code = (
        "import time\nfrom service.streams import STDOUT\nSTDOUT.put(b'\\n')\n"
        "def blocked():\n"
        "    with open(f'/proc/self/task/{STDOUT._thread.native_id}/status') as status:\n"
        "        return status.read().split('SigBlk:')[1].split()[0]\n"
        "while not int(blocked(), 16):\n"  # the thread has begun, but not done that yet
        "    time.sleep(0.01)\n"
        "print(blocked())"
    )
    with running(code) as process:
        out, err = process.communicate(timeout=30)
    blocked = int(out.split()[-1], 16)

    assert err == b""
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGALRM, signal.SIGINT):
        assert blocked >> (number - 1) & 1
