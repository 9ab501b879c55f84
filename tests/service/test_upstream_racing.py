"""Connecting with several attempts, on sockets whose peers do as a network does."""

import errno
import socket
import time
from contextlib import contextmanager

import pytest

from service.upstream.racing import DELAY, LEAST, race
from tests.runtime.ports import free_port
from tests.service.hostile_upstream import full_backlog


def address(port):
    return (socket.AF_INET, socket.SOCK_STREAM, 0, ("127.0.0.1", port))


@contextmanager
def full():
    with full_backlog() as port:
        yield address(port)


@contextmanager
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield address(server.getsockname()[1])


def refusing():
    return address(free_port())


class Made:
    """Makes sockets, and keeps them."""

    def __init__(self):
        self.sockets = []

    def __call__(self, *kind):
        self.sockets.append(socket.socket(*kind))
        return self.sockets[-1]


def soon(seconds=10):
    return time.monotonic() + seconds


def test_one_that_is_silent_costs_a_moment():
    made = Made()
    with full() as silent, listening() as there:
        began = time.monotonic()
        sock = race([silent, there], soon(), made)
        assert DELAY <= time.monotonic() - began < 5
        assert sock.getpeername() == there[3]
        sock.close()
    assert [each.fileno() for each in made.sockets] == [-1, -1]


def test_one_address_is_tried_several_times():
    made = Made()
    with full() as silent, pytest.raises(TimeoutError):
        race([silent], soon(DELAY * (LEAST + 2)), made)
    assert len(made.sockets) == LEAST
    assert {each.fileno() for each in made.sockets} == {-1}


def test_one_that_refuses_is_not_asked_again():
    made = Made()
    with pytest.raises(OSError) as raised:
        race([refusing()], soon(), made)
    assert raised.value.errno == errno.ECONNREFUSED
    assert len(made.sockets) == 1


def test_behind_one_that_refuses_the_next_comes_at_once():
    """Also while another is silent. A quarter of a second for each would be too late."""
    refuse = [refusing() for _ in range(8)]
    with full() as silent, listening() as there:
        sock = race([silent, *refuse, there], soon(DELAY * 8), socket.socket)
        assert sock.getpeername() == there[3]
        sock.close()


@pytest.mark.parametrize(
    "useless",
    [
        (9999, socket.SOCK_STREAM, 0, ("127.0.0.1", 1)),  # a family that is not there
        (socket.AF_INET, socket.SOCK_STREAM, 0, ("255.255.255.255", 1)),  # fails at once
    ],
)
def test_one_that_cannot_be_tried_costs_nothing(useless):
    with listening() as there:
        sock = race([useless, there], soon(), socket.socket)
        assert sock.getpeername() == there[3]
        sock.close()
    with pytest.raises(OSError, match="."):
        race([useless], soon(), socket.socket)


def test_no_address():
    with pytest.raises(OSError, match="no address"):
        race([], soon(), socket.socket)
