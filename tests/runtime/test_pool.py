"""What the threads do, also when everything goes wrong."""

import threading
import time
import weakref

import pytest

from service.http1.answers import Answers
from service.runtime.admission import Admission, Verdict
from service.runtime.client import Client
from service.runtime.connection import Phase
from service.runtime.exchange import Exchange
from service.runtime.metrics import RuntimeMetrics
from service.runtime.pool import Pool
from tests.runtime.parts import connected, exchange, port
from tests.runtime.raw import eventually

REQUEST = bytearray(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")


class Loop:
    """Notes what the threads want of the event loop."""

    def __init__(self):
        self.given_back, self.woken, self.calls, self.cuts = [], [], [], []
        self.give_back = self.given_back.append
        self.call_soon = self.calls.append

    def wake(self):
        self.woken.append(1)

    def cut_short(self):
        self.cuts.append(1)


class Started(Pool):
    """With what the threads get in a list."""

    def __init__(self, app, **options):
        self.logged = []
        super().__init__(
            app,
            Admission(limit=1, queue_length=2, queue_timeout=1, threads=4),
            Exchange(Answers("pod-1"), RuntimeMetrics(str), self.log),
            Loop(),
            lambda connection: None,
            read_timeout=1,
            send_timeout=1,
            **options,
        )

    def log(self, *record):
        self.logged.append(record)


def fine(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return [b"fine"]


def raising(environ, start_response):
    raise SystemExit("the app")


@pytest.fixture
def place():
    return port(limit=10)


@pytest.fixture
def two(place):
    """Two connections with a request each, and their clients."""
    with connected(place) as (first, client), connected(place) as (second, other):
        for connection in (first, second):
            connection.request = connection.heads.read(bytearray(REQUEST))
        yield (first, client), (second, other)


def served(pool, connection):
    """Have a pool serve a connection that has a slot; return what the thread does next."""
    return pool.serve(pool._activate(connection))


def test_an_app_that_raises_costs_no_slot(two):
    (connection, client), _ = two
    pool = Started(raising)
    assert pool.admission.offer(connection, 0.0) is Verdict.RUN
    assert served(pool, connection) is None

    assert pool.admission.running == 0
    assert pool.loop.given_back == [connection]
    assert connection.phase is Phase.SERVED and not connection.keep
    assert client.recv(1000).startswith(b"HTTP/1.1 500 ")
    [(answered, *_)] = pool.logged
    assert answered.status == "500 Internal Server Error"


def test_a_thread_outlives_what_goes_wrong_beside_the_app(two, caplog):
    (first, _), (second, _) = two
    pool = Started(fine)
    pool.exchange.access = None  # the log itself fails
    for connection in (first, second):
        pool.admission.offer(connection, 0.0)
    following = served(pool, first)

    assert "a request did not end as it should" in caplog.text
    assert following and following.connection is second
    assert pool.admission.running == 1


def test_a_thread_that_waits_keeps_no_connection(place):
    pool = Started(fine)
    pool.start_threads(1)
    with connected(place) as (connection, _):
        connection.request = connection.heads.read(bytearray(REQUEST))
        pool.admission.offer(connection, 0.0)
        pool.start(connection)
        eventually(lambda: pool.loop.given_back)
        pool.loop.given_back.clear()
        pool.exchange.close(connection)
        pool.logged.clear()
        kept = weakref.ref(connection)
        del connection
    eventually(lambda: kept() is None)


@pytest.mark.parametrize("paused", [True, False])
def test_the_event_loop_is_woken_if_a_slot_is_free_for_one_that_waits(two, paused):
    (first, _), (second, _) = two
    pool = Started(fine)
    for connection in (first, second):
        pool.admission.offer(connection, 0.0)
    pool.admission.paused = paused  # or the thread goes on with the second itself

    following = served(pool, first)

    assert len(pool.loop.woken) == paused
    assert (following is None) == paused


def test_its_turn_ends_for_one_that_waits_while_threads_sleep(two):
    (first, _), (second, _) = two
    pool = Started(fine)
    for connection in (first, second):
        pool.admission.offer(connection, 0.0)
    pool.admission.paused = True
    pool.admission._forecast.enter(time.monotonic() - 0.2)
    pool.admission._forecast.leave(time.monotonic(), 1)

    assert served(pool, first) is None
    assert (pool.loop.cuts, pool.loop.woken) == ([1], [])


def test_the_slot_is_free_before_the_client_has_the_answer(two):
    (connection, client), _ = two
    pool = Started(fine)
    pool.admission.offer(connection, 0.0)
    running = []
    release = pool.release

    client.setblocking(False)

    def note(of):
        if not running:
            with pytest.raises(BlockingIOError):
                client.recv(1)
        running.append(pool.admission.running)
        release(of)

    pool.release = note
    pool.serve(pool._activate(connection))

    assert running == [1, 0, 0]
    assert client.recv(1000).endswith(b"fine")


def test_one_that_waits_for_its_client_hands_on_what_it_would_serve_next(two):
    (first, _), (second, _) = two
    pool = Started(fine)
    for connection in (first, second):
        pool.admission.offer(connection, 0.0)
    client = pool._activate(first)
    pool.release(client)
    assert client.following.connection is second

    pool.park(client)

    assert client.following is None
    assert pool._started.get().connection is second
    assert (pool.admission.running, pool.admission.parked) == (1, 1)
    pool.unpark(client)
    assert (pool.admission.running, pool.admission.parked) == (1, 0)


def test_a_client_that_left_the_queue_is_passed_over(two):
    (first, _), (second, left) = two
    pool = Started(fine)
    for connection in (first, second):
        pool.admission.offer(connection, 0.0)
    left.close()

    assert served(pool, first) is None
    assert (pool.abandoned, pool.admission.running) == (1, 0)
    [refuse] = pool.loop.calls
    refuse()
    assert second.phase in (Phase.LINGERING, Phase.CLOSED)


def test_threads_are_started_at_once():
    pool = Started(fine)
    before = threading.active_count()
    pool.start_threads(5)
    assert threading.active_count() == before + 5


def test_head_and_body_go_out_at_once(two):
    (connection, client), _ = two
    pool = Started(fine)
    pool.admission.offer(connection, 0.0)
    served(pool, connection)
    answer = client.recv(10_000)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"\r\n\r\nfine")


def test_a_large_body_is_not_copied(place):
    """Nor sent with its head in one piece."""
    size = 30_000_000

    def large(environ, start_response):
        start_response("200 OK", [("Content-Length", str(size))])
        return [b"x" * size]

    sent = []

    class Counting(Client):
        def send(self, data):
            self.sending = True
            sent.append(data)

    pool = Started(large)
    with connected(place) as (connection, _):
        connection.request = connection.heads.read(bytearray(REQUEST))
        pool.admission.offer(connection, 0.0)
        connection.client = Counting(connection, pool)
        place.move(connection, Phase.ACTIVE)
        pool.serve(connection.client)
    assert [len(each) > 1000 for each in sent] == [False, True]


def test_the_app_may_read_on_as_its_response_closes(two):
    """The connection is its own until then, or the event loop would read from it, too."""
    (connection, client), _ = two
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n"
    connection.next_request()
    connection.buffer += head
    exchange().advance(connection)
    given_back = []

    class Closing:
        def __init__(self, body):
            self.body = body

        def __iter__(self):
            return iter([b"fine"])

        def close(self):
            given_back.append(list(pool.loop.given_back))
            client.sendall(b"x" * 70_000)
            given_back.append(len(self.body.read(70_000)))

    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", "4")])
        return Closing(environ["wsgi.input"])

    pool = Started(app)
    pool.admission.offer(connection, 0.0)
    served(pool, connection)

    assert given_back == [[], 70_000]
    assert pool.loop.given_back == [connection]


@pytest.mark.parametrize("unread", [False, True])
def test_a_response_that_fails_to_close_is_logged(two, caplog, unread):
    (connection, _), _ = two
    if unread:
        connection.next_request()
        connection.buffer += b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"
        exchange().advance(connection)

    class Failing(list):
        def close(self):
            raise ValueError("as asked")

    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", "4")])
        return Failing([b"fine"])

    pool = Started(app)
    pool.admission.offer(connection, 0.0)
    served(pool, connection)

    assert "the end of a response failed" in caplog.text
    assert len(pool.logged) == 1
    assert pool.loop.given_back == [connection]


def test_a_client_that_has_come_is_not_given_up(two):
    """The event loop may have looked at it a moment before."""
    (connection, theirs), _ = two
    pool = Started(fine)
    client = Client(connection, pool)
    client.interrupt()
    theirs.sendall(b"next")
    assert not client.late
    assert connection.raw.recv(10) == b"next"
