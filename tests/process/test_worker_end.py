"""What the app opened is closed once, when the worker has answered its last request."""

import signal

from tests.runtime.gunicorn_process import OURS, Gunicorn
from tests.runtime.raw import connect, read_response

ALL = [
    "closing the pool",
    "closing failed",
    "closing what hangs",
    "closing takes longer than 2 s and is left undone",
]


def said(server):
    about = ("closing", "last answer")
    lines = [each["message"] for each in server.records()]
    return [line for line in lines if any(word in line for word in about)]


def test_has_time_to_close_behind_a_request_that_used_all_of_its_own():
    app = "tests.process.closing_app:app"
    with Gunicorn(*OURS, app, GRACEFUL_TIMEOUT="2") as server, connect(server.port) as sock:
        sock.sendall(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        server.wait_for("asked")
        server.signal(signal.SIGTERM)
        server.wait()

    assert said(server) == ALL


def test_closes_after_the_last_request_whatever_fails_or_hangs():
    with Gunicorn(*OURS, "tests.process.closing_app:app") as server, connect(server.port) as sock:
        sock.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        server.wait_for("asked")
        server.signal(signal.SIGTERM)
        assert read_response(sock)[0] == 200
        assert server.wait() == 0

    assert said(server) == ["the last answer", *ALL]
