"""What the threads do, also when everything goes wrong."""

import selectors
import socket
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from service.runtime.admission import Admission, Verdict
from service.runtime.client_socket import ClientSocket
from service.runtime.computing import CpuMeter
from service.runtime.serving import Serving, start_all
from tests.runtime.raw import eventually


class Broken(Serving):
    """A worker whose app raises, and whose answer to that raises too."""

    def __init__(self):
        super().__init__()
        self.admission = Admission(limit=1, queue_length=1, queue_timeout=1, threads=2)
        self.log = self.metrics = self.method_queue = self
        self.finished = []
        self.woken = []
        self.logged = []

    def handle(self, connection):
        raise ValueError("the app")

    def handle_error(self, *_):
        raise ValueError("the answer")

    def exception(self, message):
        self.logged.append(message)

    def finish(self, connection):
        self.finished.append(connection)

    def observe(self, *_):
        pass

    def activate(self, _):
        pass

    def defer(self, call):
        self.woken.append(call)
        self.take_back()  # as the event loop does at each turn


class Connection:
    """With a request that is served, and a client that has sent no other."""

    client = None
    arrived = 0.0
    keep = True
    watched = selectors.EVENT_READ
    ahead = False

    def __init__(self, **unusual):
        self.meter = CpuMeter()
        self.sock = SimpleNamespace(cut=unusual.pop("cut", False))
        self.frame = SimpleNamespace(is_complete=unusual.pop("is_complete", True))
        vars(self).update(unusual)

    def hand_to_parser(self):
        pass

    def pipelined(self):
        return self.ahead


def test_a_slot_comes_back_whatever_happens():
    worker, connection = Broken(), Connection()
    assert worker.admission.offer(connection, 0.0) is Verdict.RUN

    worker.serve(connection)

    assert worker.admission.running == 0
    assert worker.finished == [connection]
    assert not connection.keep


def test_a_thread_outlives_what_goes_wrong_beside_the_app():
    worker, first, second = Broken(), Connection(), Connection()
    worker.admission.offer(second, 0.0)
    for started in (first, second, None):  # the first has no slot that it could give back
        worker.started.put(started)

    worker.work()

    assert worker.finished == [second]
    assert worker.logged.count("a request did not end as it should") == 1


def test_a_thread_that_waits_keeps_no_connection():
    worker, connection = Broken(), Connection()
    worker.admission.offer(connection, 0.0)
    thread = threading.Thread(target=worker.work)
    thread.start()
    worker.started.put(connection)
    try:
        eventually(lambda: worker.finished)
        worker.finished.clear()
        kept = weakref.ref(connection)
        del connection
        eventually(lambda: kept() is None)
    finally:
        worker.started.put(None)
        thread.join()


@pytest.mark.parametrize(
    "unusual",
    [{"keep": False}, {"cut": True}, {"is_complete": False}, {"ahead": True}, {"watched": 0}],
    ids=str,
)
def test_the_event_loop_is_woken_if_anybody_waits_for_it(unusual):
    worker, usual, connection = Broken(), Connection(), Connection(**unusual)
    worker.give_back(usual)
    assert not worker.finished
    worker.give_back(connection)
    assert worker.finished == [usual, connection]


def test_the_watch_is_looked_at_when_the_connection_can_be_taken_back():
    """Or the event loop could end the watch in between, and nobody would wake it."""

    class Watched(Connection):
        @property
        def watched(self):
            assert self in worker.served
            return selectors.EVENT_READ

    worker = Broken()
    worker.give_back(Watched())


@pytest.mark.parametrize("paused", [True, False])
def test_the_event_loop_is_woken_if_a_slot_is_free_for_one_that_waits(paused):
    worker, first, second = Broken(), Connection(), Connection()
    worker.run_app = lambda _: True
    for connection in (first, second):
        worker.admission.offer(connection, 0.0)
    worker.admission.paused = paused  # or the thread goes on with the second itself

    worker.serve(first)

    assert len(worker.woken) == paused


def test_connections_that_are_done_again_and_again_keep_the_event_loop_from_nothing():
    worker = Broken()
    finished = []

    def finish(connection):
        finished.append(connection)
        if len(finished) < 1000:
            worker.served.append(connection)

    worker.finish = finish
    worker.served.append(Connection())

    worker.take_back()

    assert len(finished) == len(worker.served) == 1


class LimitedPool(ThreadPoolExecutor):
    """The kernel allows it one thread."""

    def submit(self, *call):
        if self._threads:
            raise RuntimeError("can't start new thread")
        return super().submit(*call)


def test_threads_are_started_at_once():
    with ThreadPoolExecutor(5) as pool:
        start_all(pool, 5, list)
        assert len(pool._threads) == 5


def test_too_few_threads_are_an_error():
    with (
        LimitedPool(2) as pool,  # whose end waits for its threads
        pytest.raises(RuntimeError, match="can't start new thread"),
    ):
        start_all(pool, 2, list)


@pytest.mark.parametrize(("status", "answered"), [(b"100 Continue", False), (b"101 Up", True)])
def test_what_counts_as_an_answer(status, answered):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection = Connection()
        connection.raw = ours
        sock = ClientSocket(connection, worker=None)
        sock.sendall(b"HTTP/1.1 " + status + b"\r\n\r\n")
    assert sock.answered is answered


def test_head_and_body_go_out_at_once():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        connection = Connection()
        connection.raw = ours
        sock = ClientSocket(connection, worker=None)

        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with pytest.raises(BlockingIOError):
            theirs.recv(100)
        sock.sendall(b"body")
        assert theirs.recv(100) == b"HTTP/1.1 200 OK\r\n\r\nbody"

        sock = ClientSocket(connection, worker=None)
        sock.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        sock.flush()
        assert theirs.recv(100) == b"HTTP/1.1 204 No Content\r\n\r\n"
