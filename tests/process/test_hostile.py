"""Hostile requests on both ports of the real process: each gets its answer and harms nobody."""

import contextlib
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.runtime.gunicorn_process import OURS, SAMPLE, Gunicorn
from tests.runtime.hostile import LIMIT, ROWS, SMUGGLED, UNFINISHED
from tests.runtime.invariants import assert_unharmed
from tests.runtime.raw import connect, get, is_problem, read_all, responses

# The app, behind the runtime's parser, and the event loop: that answers probes by itself.
SURFACES = {
    "app": ("port", b"/api/echo"),
    "probe": ("port", b"/healthz"),
    "management": ("management", b"/healthz"),
}
TITLES = {
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Request Entity Too Large",
    414: "URI Too Long",
    417: "Expectation Failed",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
}
# The rest of the body is for a thread to read, so the whole request is the app's.
TOO_LARGE_FOR_THE_LOOP = {
    "length of 4000 digits",
    "length beyond the limit",
    "chunks beyond the limit",
    "chunks far beyond the limit",
}


@pytest.fixture(scope="module")
def server():
    with Gunicorn(*OURS, SAMPLE, READ_TIMEOUT="2", MAX_CONTENT_LENGTH=str(LIMIT)) as gunicorn:
        yield gunicorn
        assert_unharmed(gunicorn)


def exchange(port, data, *, pause=None, end=True):
    """Send bytes, at once or one by one; return all that comes back."""
    with connect(port) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):  # answered and closed
            if pause is None:
                sock.sendall(data)
            else:
                for byte in data:
                    sock.send(bytes([byte]))
                    time.sleep(pause)
            if end:
                sock.shutdown(socket.SHUT_WR)
        return read_all(sock)


def assert_answers(data, statuses):
    """These answers and not a byte more; each error is problem details."""
    answers = responses(data)
    assert tuple(status for status, _, _ in answers) == statuses
    for status, headers, body in answers:
        assert headers["x-pod-name"] == "pod-1"
        if status >= 400:
            assert is_problem(status, headers, body)
            assert json.loads(body)["title"] == TITLES[status]
    if statuses[-1] not in (200, 404, 405, 413):  # it cannot say where it ends
        assert answers[-1][1]["connection"] == "close"


def expected(name, surface):
    data, by_app, *by_probe = ROWS[name]
    if surface == "app" or (surface == "probe" and name in TOO_LARGE_FOR_THE_LOOP):
        return by_app
    statuses = by_probe[0] if by_probe else by_app
    if surface == "management":  # which closes behind any error
        errors = [number for number, status in enumerate(statuses, 1) if status >= 400]
        return statuses[: min(errors, default=len(statuses))]
    return statuses


def cases():
    return [
        pytest.param(name, surface, id=f"{name}-{surface}")
        for name, (data, *_) in ROWS.items()
        for surface in SURFACES
        if surface != "probe" or b"{}" in data  # else it is no probe
    ]


def send(server, surface, data, **how):
    port, path = SURFACES[surface]
    return exchange(getattr(server, port), data.replace(b"{}", path), **how)


def assert_served(server):
    assert get(server.port, "/version")[0] == get(server.management, "/healthz")[0] == 200


@pytest.mark.parametrize(("name", "surface"), cases())
def test_answer(server, name, surface):
    assert_answers(send(server, surface, ROWS[name][0] + SMUGGLED), expected(name, surface))
    assert_served(server)


@pytest.mark.parametrize("name", [name for name, (data, *_) in ROWS.items() if len(data) < 150])
def test_answer_byte_by_byte(server, name):
    answer = send(server, "app", ROWS[name][0] + SMUGGLED, pause=0.0005)
    assert_answers(answer, expected(name, "app"))
    assert_served(server)


@pytest.mark.parametrize("surface", SURFACES)
def test_unfinished_gets_408(server, surface):
    with ThreadPoolExecutor() as pool:
        answers = pool.map(lambda data: send(server, surface, data, end=False), UNFINISHED.values())
        for name, answer in zip(UNFINISHED, answers, strict=True):
            unread = name.startswith("a chunk") and surface == "management"
            assert_answers(answer, (200,) if unread else (408,))
    assert_served(server)


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("name", UNFINISHED)
def test_unfinished_and_the_end(server, surface, name):
    """Half a head gets nothing, half a body 400."""
    answer = send(server, surface, UNFINISHED[name])
    if name.startswith("a chunk"):
        assert_answers(answer, (200,) if surface == "management" else (400,))
    else:
        assert answer == b""
    assert_served(server)


@pytest.mark.parametrize("port", ["port", "management"])
def test_empty_line_before_head(server, port):
    """A body behind the answer to HEAD would be taken for the next answer."""
    answer = exchange(getattr(server, port), b"\r\nHEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.partition(b"\r\n\r\n")[2] == b""
