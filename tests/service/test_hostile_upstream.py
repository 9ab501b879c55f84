import socket
import threading

from tests.service.hostile_upstream import OK, HostileUpstream, saying


def test_none_of_its_threads_outlives_it():
    """One at a closed listener took a connection of the next, which waited for it for ever."""
    before = set(threading.enumerate())
    with HostileUpstream(saying(OK)) as upstream:
        with (
            socket.create_connection(("127.0.0.1", upstream.port), timeout=10) as client,
            socket.create_connection(("127.0.0.1", upstream.port), timeout=10),
        ):
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert client.recv(100) == OK
            upstream.__exit__()
            assert set(threading.enumerate()) == before  # while the clients are still there
