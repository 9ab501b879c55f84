import threading

import pytest

from service.upstream.names import Names
from tests.runtime.raw import eventually

FOUND = [(2, 1, 6, ("10.0.0.1", 80))]


class Server:
    """Looks names up when it is told to."""

    def __init__(self):
        self.asked = 0
        self.answers = threading.Event()

    def __call__(self, host, port):
        self.asked += 1
        assert self.answers.wait(10)
        if host == "nowhere":
            raise OSError("no such name")
        return FOUND


def test_numbers_are_not_looked_up():
    server = Server()

    assert Names(server).addresses("127.0.0.1", 80, 1)[0][3] == ("127.0.0.1", 80)
    assert Names(server).addresses("::1", 80, 1)[0][3][:2] == ("::1", 80)
    assert server.asked == 0


def test_a_server_that_hangs_costs_one_thread():
    """However many calls give up; and who comes later has what it says at last."""
    server = Server()
    names, before = Names(server), threading.active_count()
    for _ in range(5):
        with pytest.raises(TimeoutError):
            names.addresses("prices", 80, 0.02)
    assert (server.asked, threading.active_count()) == (1, before + 1)
    server.answers.set()

    assert names.addresses("prices", 80, 10) == FOUND
    eventually(lambda: threading.active_count() == before)


def test_the_next_lookup_is_a_new_one():
    server = Server()
    server.answers.set()
    names = Names(server)
    assert [names.addresses("prices", 80, 10) for _ in range(3)] == [FOUND] * 3

    assert server.asked == 3


def test_no_such_name():
    server = Server()
    server.answers.set()

    with pytest.raises(OSError, match="no such name"):
        Names(server).addresses("nowhere", 80, 10)


@pytest.mark.parametrize("host", ["a..b", "x" * 64])
def test_what_is_no_name_is_an_error_of_the_connection(host):
    with pytest.raises(OSError):
        Names().addresses(host, 80, 10)


def test_a_lookup_that_fails_as_nobody_thought_ends():
    def fail(host, port):
        raise ZeroDivisionError

    names = Names(fail)
    for _ in range(2):
        with pytest.raises(OSError) as raised:
            names.addresses("prices", 80, 10)
        assert type(raised.value) is OSError  # and no timeout
