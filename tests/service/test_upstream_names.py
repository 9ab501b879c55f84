import socket
import threading
import time

import pytest

from service.upstream.names import PATIENCE, Names
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


def lookups():
    """Count the threads of these alone: those of other tests may end meanwhile."""
    return sum(thread.name == "lookup of prices" for thread in threading.enumerate())


def test_numbers_are_not_looked_up():
    server = Server()

    assert Names(server).addresses("127.0.0.1", 80, 1)[0][3] == ("127.0.0.1", 80)
    assert Names(server).addresses("::1", 80, 1)[0][3][:2] == ("::1", 80)
    assert server.asked == 0


def test_a_server_that_hangs_costs_one_thread():
    """However many calls give up. A later call has what it says at last."""
    server = Server()
    names = Names(server)
    for _ in range(5):
        with pytest.raises(TimeoutError):
            names.addresses("prices", 80, 0.02)
    assert (server.asked, lookups()) == (1, 1)
    server.answers.set()

    assert names.addresses("prices", 80, 10) == FOUND
    eventually(lambda: lookups() == 0)


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


class Failing:
    """Finds a name, then does what it is told to."""

    def __init__(self, failure):
        self.failure = None
        self.next = failure

    def __call__(self, host, port):
        if self.failure:
            raise self.failure
        self.failure = self.next
        return FOUND


def test_last_addresses_serve_while_nobody_answers():
    names = Names(Failing(socket.gaierror(socket.EAI_AGAIN, "try again")))

    assert [names.addresses("prices", 80, 10) for _ in range(3)] == [FOUND] * 3


def test_last_addresses_serve_while_a_lookup_is_slow():
    """And those who come later do not wait for the same lookup again."""
    server = Server()
    server.answers.set()
    names = Names(server)
    names.addresses("prices", 80, 10)
    server.answers.clear()

    began = time.monotonic()
    assert names.addresses("prices", 80, 60) == FOUND
    assert PATIENCE * 0.9 <= time.monotonic() - began < 5
    began = time.monotonic()
    assert [names.addresses("prices", 80, 60) for _ in range(100)] == [FOUND] * 100
    assert time.monotonic() - began < 100 * PATIENCE / 5
    assert server.asked == 2
    server.answers.set()


def test_last_addresses_do_not_serve_for_ever():
    names = Names(Failing(socket.gaierror(socket.EAI_AGAIN, "try again")), stale=0.05)
    names.addresses("prices", 80, 10)
    time.sleep(0.1)

    with pytest.raises(OSError, match="try again"):
        names.addresses("prices", 80, 10)


def test_a_name_that_is_gone_has_no_addresses():
    """Nor does it get them back while nobody answers."""
    server = Failing(socket.gaierror(socket.EAI_NONAME, "not known"))
    names = Names(server)
    names.addresses("prices", 80, 10)

    with pytest.raises(OSError, match="not known"):
        names.addresses("prices", 80, 10)
    server.failure = socket.gaierror(socket.EAI_AGAIN, "try again")
    with pytest.raises(OSError, match="try again"):
        names.addresses("prices", 80, 10)
