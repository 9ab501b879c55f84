"""Clients that speak in bytes."""

import json
import re
import socket
import time


def connect(port: int, timeout: float = 10) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=timeout)


def read_all(sock: socket.socket, quiet: float = 10) -> bytes:
    """Read until the end, or until nothing came for `quiet` seconds."""
    sock.settimeout(quiet)
    data = b""
    try:
        while piece := sock.recv(65536):
            data += piece
    except (TimeoutError, ConnectionResetError):
        pass
    return data


def send(port: int, request: bytes) -> bytes:
    """Send raw bytes and then nothing more; return the whole answer."""
    with connect(port) as sock:
        sock.sendall(request)
        sock.shutdown(socket.SHUT_WR)
        return read_all(sock)


def read_response(sock: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Read one response with a Content-Length, and no byte of the next one."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        assert byte, f"the connection ended after {head!r}"
        head += byte
    head, body = head[:-4], b""
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    while (left := int(headers["content-length"]) - len(body)) > 0:
        piece = sock.recv(left)
        assert piece, f"the connection ended after {body!r}"
        body += piece
    return int(status.split()[1]), headers, body


def responses(data: bytes, bodies: bool = True) -> list[tuple[int, dict[str, str], bytes]]:
    """Take responses with a Content-Length apart; fails where there is anything else.

    Without bodies, as those to HEAD, they have a length all the same.
    """
    found = []
    while data:
        head, end, rest = data.partition(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").split("\r\n")
        assert end and re.fullmatch(r"HTTP/1\.[01] [1-5][0-9]{2} [ -~]+", line), data
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        status = int(line.split()[1])
        length = 0 if status == 100 or not bodies else int(headers["content-length"])
        assert len(rest) >= length, data
        found.append((status, headers, rest[:length]))
        data = rest[length:]
    return found


def get(port: int, path: str, headers: str = "", timeout: float = 10, using=connect):
    """Ask on a connection of its own."""
    with using(port, timeout=timeout) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n{headers}\r\n".encode())
        return read_response(sock)


def is_problem(status: int, headers: dict[str, str], body: bytes) -> bool:
    """Whether it is problem details with the headers that every response has."""
    problem = json.loads(body)
    return (
        headers["content-type"] == "application/problem+json"
        and problem["status"] == status
        and headers["x-pod-name"] == "pod-1"
        and bool(headers["x-request-id"])
    )


def metric(port: int, name: str) -> float:
    """Return the value of a sample on the management port."""
    _, _, text = get(port, "/metrics")
    for line in text.decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[-1])
    raise AssertionError(f"no {name}")


def eventually(check, seconds: float = 10):
    """Return what check() returns as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (result := check()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert result
    return result
