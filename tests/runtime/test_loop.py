"""When the event loop looks at its deadlines, and what it takes back from the threads."""

import os
import socket
import time
from contextlib import ExitStack
from selectors import EVENT_READ
from types import SimpleNamespace

import pytest

from service.runtime.connection import Phase
from service.runtime.loop import EXPIRE_BEAT, EventLoop
from tests.runtime.parts import connected, exchange, port
from tests.runtime.raw import eventually


@pytest.fixture
def loop():
    """One with a listener, and room for one connection."""
    pipe = os.pipe()
    for end in pipe:
        os.set_blocking(end, False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        loop = EventLoop(port([listener]), port(), exchange(), pipe, 75.0, 10.0)
        for place in (loop.main, loop.management):
            place.accept(True)
        yield loop
    for end in pipe:
        os.close(end)


def woken(loop):
    """Whether its next sleep is none."""
    started = time.monotonic()
    loop.expire_at = started + 5
    loop.turn(0.2)
    return time.monotonic() - started < 0.1


def test_a_turn_ends_early_for_a_slot_that_is_free(loop):
    """What is left of its events comes again."""
    began = []
    loop.exchange.on_event = lambda connection: began.append(connection) or loop.cut_short()
    with (
        connected(loop.main, watched=True) as (_, one),
        connected(loop.main, watched=True) as (_, two),
    ):
        for client in (one, two):
            client.sendall(b"GET")
        loop.turn(1)
        assert len(began) == 1

        loop.exchange.on_event = began.append
        loop.is_cut_short = False
        loop.turn(1)
        assert len(began) == 3


def before_a_probe(loop, begin):
    """Return how many of 20 are served before the probe that comes with the first."""
    order = []

    def on_event(connection):
        order.append(connection.port)
        if len(order) == 1:
            probe.sendall(b"GET")

    def greet(connection):
        on_event(connection)
        connection.raw.close()

    loop.exchange.on_event, loop.exchange.greet = on_event, greet
    with connected(loop.management, watched=True) as (_, probe):
        begin()
        loop.turn(1)
    return order.index(loop.management)


def test_a_probe_does_not_wait_for_a_row_of_events(loop):
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(loop.main, watched=True))[1] for _ in range(20)]

        assert before_a_probe(loop, lambda: [each.sendall(b"GET") for each in clients]) < 6


def test_a_turn_that_is_cut_short_has_its_look_at_probes(loop):
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(loop.main, watched=True))[1] for _ in range(20)]

        def begin():
            loop.is_cut_short = True
            for client in clients:
                client.sendall(b"GET")

        assert before_a_probe(loop, begin) == 1


def test_a_probe_does_not_wait_for_pipelined_requests(loop):
    with ExitStack() as stack:
        connections = [stack.enter_context(connected(loop.main))[0] for _ in range(20)]
        loop.exchange.advance = lambda connection: loop.exchange.on_event(connection)

        assert before_a_probe(loop, lambda: loop.exchange.pipelined.extend(connections)) < 6


def test_a_probe_does_not_wait_for_new_connections(loop):
    address = loop.main.listeners[0].getsockname()
    loop.main.limit = 100
    with ExitStack() as stack:

        def connect():
            for _ in range(20):
                stack.enter_context(socket.create_connection(address))

        assert before_a_probe(loop, connect) < 6


@pytest.mark.parametrize("stopping", [False, True])
def test_nor_does_it_take_more_connections_but_at_the_stop(loop, stopping):
    loop.main.limit = 9
    loop.taking = not stopping
    loop.cut_short()
    (listener,) = loop.main.listeners
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        assert loop.accept(loop.main, listener) is stopping
        assert loop.main.count() == (3 if stopping else 1)
        for connection in tuple(loop.main.held[Phase.IDLE]):
            loop.exchange.close(connection)


def test_the_next_look_is_at_the_first_deadline(loop):
    with connected(loop.main, Phase.READING) as (connection, _):
        connection.since -= loop.read_timeout - 0.5
        loop.expire()
        assert loop.expire_at == connection.since + loop.read_timeout


def test_a_request_that_meets_the_end_of_the_idle_time_is_served(loop):
    """It came when the poller had been asked already."""
    with connected(loop.main, watched=True) as (connection, client):
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        loop.exchange.on_request = lambda found: loop.main.move(found, Phase.WAITING)
        connection.since -= loop.idle_timeout
        loop.expire()
        assert connection.phase is Phase.WAITING


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"\r\n\r\n\r\n"])
def test_one_without_a_request_is_closed_then(loop, sent):
    with connected(loop.main, watched=True) as (connection, client):
        client.sendall(sent)
        connection.since -= loop.idle_timeout
        loop.expire()
        assert connection.phase is Phase.CLOSED


@pytest.mark.parametrize("timeout", [0.1, 0.0])
def test_one_that_comes_before_the_next_look_is_not_late(loop, timeout):
    loop.read_timeout = timeout

    before = time.monotonic()
    loop.expire()
    after = time.monotonic()

    assert before + EXPIRE_BEAT <= loop.expire_at <= after + max(timeout, EXPIRE_BEAT)


def test_a_look_is_a_beat_away_while_a_connection_waits_for_a_place(loop):
    with connected(loop.main, Phase.SERVED) as (connection, _):
        loop.expire()
        (listener,) = loop.main.listeners

        with socket.create_connection(listener.getsockname()):
            loop.turn(1)
            assert not loop.main.accepting
            assert loop.expire_at <= time.monotonic() + EXPIRE_BEAT

            loop.exchange.close(connection)
            eventually(lambda: loop.turn(1) or loop.main.accepting)


def test_what_threads_are_done_with_is_taken_back_before_and_after_the_sleep(loop):
    """Before: on_event() may have ended its watch, as more came. After: so that the event finds it
    between two requests, and no probe takes it for stuck."""
    taken = []
    loop.take_back = lambda: taken.append(time.monotonic())
    began = time.monotonic()
    loop.expire_at = began + 0.3
    loop.give_back(SimpleNamespace(keep=True, watched=EVENT_READ, buffer=b""))

    loop.turn(1)

    before, after = taken
    assert before < began + 0.2 <= after


@pytest.mark.parametrize(
    ("keep", "watched", "buffer", "wakes"),
    [
        (True, True, b"", False),  # as usual: the next request will
        (False, True, b"", True),
        (True, False, b"", True),
        (True, True, b"GET", True),
    ],
)
def test_it_is_woken_if_anybody_waits_for_it(loop, keep, watched, buffer, wakes):
    with connected(loop.main, Phase.SERVED, watched) as (connection, _):
        connection.keep = keep
        connection.buffer += buffer
        loop.give_back(connection)
        assert bool(loop.main.poller.select(0)) is wakes


def test_the_watch_is_looked_at_when_the_connection_can_be_taken_back(loop):
    """Or the event loop could end the watch in between, and nobody would wake it."""

    class Watched:
        keep, buffer = True, b""

        @property
        def watched(self):
            assert self in loop._served
            return 1

    loop.give_back(Watched())


def test_connections_that_are_done_again_and_again_keep_it_from_nothing(loop):
    done = []

    def follow(connection):
        done.append(connection)
        if len(done) < 1000:
            loop._served.append(connection)

    loop.exchange.follow = follow
    with connected(loop.main, Phase.SERVED) as (connection, _):
        connection.keep = True
        loop._served.append(connection)
        loop.take_back()

    assert len(done) == len(loop._served) == 1


def test_calls_of_other_threads_are_made_soon(loop):
    made = []
    loop.call_soon(lambda: made.append(1))
    assert woken(loop)
    assert made == [1]


def test_a_full_pipe_wakes_it_all_the_same(loop):
    for _ in range(100_000):
        loop.wake()
    assert woken(loop)
