"""A small WSGI app for the runtime's tests: what it does is in the path, /do/argument."""

import hashlib
import time

from prometheus_client import REGISTRY


class SlowMetrics:
    """A collector of the app's that takes its time."""

    def __init__(self, seconds):
        self.seconds = seconds

    def describe(self):
        return []

    def collect(self):
        time.sleep(self.seconds)
        return []


def burn(seconds):
    """Use that much CPU time of this thread, in Python, so with the interpreter's lock."""
    end = time.thread_time() + seconds
    count = 0
    while time.thread_time() < end:
        for _ in range(200):
            count += 1
    return count


def chunks(count, seconds, size=1):
    for _ in range(count):
        yield b"x" * size
        time.sleep(seconds)


def application(environ, start_response):
    _, what, *arguments = environ["PATH_INFO"].split("/")
    body = [f"{what} {environ['REQUEST_METHOD']}\n".encode()]
    status = "200 OK"
    if what == "wait":
        time.sleep(float(arguments[0]))
    elif what == "burn":
        burn(float(arguments[0]))
    elif what == "body":
        data = environ["wsgi.input"].read()
        body = [f"{len(data)} {hashlib.sha256(data).hexdigest()}\n".encode()]
    elif what == "digest":  # takes its time over a body
        environ["wsgi.input"].read()
        time.sleep(float(arguments[0]))
    elif what == "large":
        body = [b"x" * 65536] * int(arguments[0])
    elif what == "stream":
        body = chunks(int(arguments[0]), float(arguments[1]))
    elif what == "scheme":
        body = [environ["wsgi.url_scheme"].encode()]
    elif what == "stubborn":
        try:
            environ["wsgi.input"].read()
        except OSError:
            body = [b"I do not mind\n"]
    elif what == "slow-metrics":
        REGISTRY.register(SlowMetrics(float(arguments[0])))
    elif what == "raise":
        raise ValueError("as asked")
    elif what == "exit":
        raise SystemExit(1)
    elif what == "empty":
        status, body = "204 No Content", []
    headers = [("Content-Type", "text/plain")]
    if isinstance(body, list) and what != "empty":
        headers.append(("Content-Length", str(sum(map(len, body)))))
    start_response(status, headers)
    return body
