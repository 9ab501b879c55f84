"""What the app opened is closed once, when the worker has answered its last request."""

import signal

from tests.runtime.gunicorn_process import OURS, Gunicorn
from tests.runtime.raw import connect, read_response


def test_closes_after_the_last_request_whatever_fails_or_hangs():
    with Gunicorn(*OURS, "tests.process.closing_app:app") as server, connect(server.port) as sock:
        sock.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        server.wait_for("asked")
        server.signal(signal.SIGTERM)
        assert read_response(sock)[0] == 200
        assert server.wait() == 0

    about = ("closing", "last answer")
    said = [
        each["message"] for each in server.records() if any(w in each["message"] for w in about)
    ]
    assert said == [
        "the last answer",
        "closing the pool",
        "closing failed",
        "closing what hangs",
        "closing takes longer than 2 s and is left undone",
    ]
