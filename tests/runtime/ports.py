"""Ports for servers that must be told a number."""

import socket


def free_port() -> int:
    """Return a port that nobody gets but the server that is told its number.

    A socket keeps it until this process ends: no test beside it gets it meanwhile, not even for its
    end of a connection. A server with SO_REUSEADDR may listen there all the same: see socket(7).
    """
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    sock.detach()  # it stays open
    return port
