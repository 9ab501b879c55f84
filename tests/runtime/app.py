"""A small WSGI app for the runtime's tests: what it does is in the path, /do/argument."""

import contextlib
import hashlib
import itertools
import os
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


def read(body, how):
    if how == "nothing":
        return b""
    if how == "some":
        return body.read(10)
    if how == "lines":
        return b"".join(body)
    if how == "pieces":
        return b"".join(iter(lambda: body.read(1000), b""))
    if how == "twice":  # whatever the first time said
        with contextlib.suppress(OSError):
            body.read()
    if how == "deaf":  # to what is wrong with it
        with contextlib.suppress(OSError):
            return body.read()
        return b""
    return body.read()


COUNTER = itertools.count(1)
CLOSABLE = ("raises-first", "never-starts", "raises-later")


class Closable:
    """A body that goes wrong, and has to be closed all the same."""

    closed = 0

    def __init__(self, how, start_response):
        self.how = how
        if how == "raises-later":
            start_response("200 OK", [("Content-Length", "10")])

    def __iter__(self):
        if self.how == "raises-later":
            yield b"x"
        if self.how != "never-starts":
            raise ValueError("as asked")

    def close(self):
        Closable.closed += 1


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
    elif what == "read":  # in one of many ways, and then after some seconds all is well
        data = read(environ["wsgi.input"], arguments[0])
        time.sleep(float(arguments[1]))
        body = [b"%d\n" % len(data)]
    elif what == "declare":  # so many bytes, and send as many
        declared, sent = map(int, arguments)
        start_response("200 OK", [("Content-Length", str(declared))])
        return [b"x" * sent]
    elif what == "fork":  # a child that outlives the answer, with all that its parent has open
        if not os.fork():
            time.sleep(float(arguments[0]))
            os._exit(0)
    elif what == "close":
        start_response("200 OK", [("Content-Length", "0"), ("Connection", "close")])
        return []
    elif what in CLOSABLE:
        return Closable(what, start_response)
    elif what == "closed":
        body = [b"%d\n" % Closable.closed]
    elif what == "count":
        body = [b"%d\n" % next(COUNTER)]
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
