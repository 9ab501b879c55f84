"""Apps and clients that nobody here wrote, through the runtime: httpbin, and moto with boto3.

They are in an environment of their own, made from tests/process/foreign/requirements.txt.
"""

import json
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from tests.process.environments import installed
from tests.process.sources import source
from tests.runtime.gunicorn_process import OURS, REPOSITORY, Gunicorn
from tests.runtime.raw import connect, get, metric, read_response

FOREIGN = Path(__file__).parent / "foreign"
LOCK = FOREIGN / "requirements.txt"
BOUND = 1 << 20  # bytes, the default of MAX_CONTENT_LENGTH


# Their tests that end otherwise, and why.
OTHERWISE = {
    "test_bearer_auth_with_wrong_authorization_type": "a header without a name is no HTTP",
    "test_digest_auth_with_wrong_authorization_type": "a header without a name is no HTTP",
    "test_post_chunked": "501 to a client without a server; under gunicorn httpbin takes it",
}


def short(ends):
    return [(test, test.rpartition(".")[2]) for test in ends]


def locked(name):
    """Return the version that the environment has."""
    return re.search(rf"^{name}==(\S+)", LOCK.read_text(), re.MULTILINE)[1]


@pytest.fixture(scope="module")
def python():
    """Give the interpreter of the environment."""
    return installed(LOCK, "foreign")


class Foreign(Gunicorn):
    """Serves an app of that environment."""

    def __init__(self, python, app, **settings):
        super().__init__(*OURS, app, **settings)
        self.python = python


@pytest.fixture(scope="module")
def httpbin(python):
    with Foreign(python, "httpbin:app") as server:
        yield server


def run(python, script, *arguments):
    command = [python, FOREIGN / script, *map(str, arguments)]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_httpbins_own_tests(python, httpbin, tmp_path):
    """Each ends as it does without a server, but for those that only a test client can ask."""
    suite = source("httpbin", locked("httpbin"), tmp_path)
    theirs = run(python, "forwarding.py", suite)
    ours = run(python, "forwarding.py", suite, httpbin.port)

    assert sum(end == "passed" for end in theirs.values()) >= 65
    changed = {name for test, name in short(ours) if theirs[test] != ours[test]}
    assert changed == OTHERWISE.keys()
    assert metric(httpbin.management, "hellopod_worker_restarts_total") == 0


def test_s3(python):
    """Bodies of 12 MiB: in one request, in parts from a stream, and back as a stream."""
    app = "tests.process.foreign.s3_app:app"
    with Foreign(python, app, MAX_CONTENT_LENGTH=str(16 << 20)) as server:
        found = run(python, "s3_client.py", server.port)
        assert metric(server.management, "hellopod_worker_restarts_total") == 0
    assert found == {
        "whole": ["large", "multipart"],
        "range": True,
        "keys": ["large", "multipart", "small"],
        "left": ["large", "multipart"],
        "parts": 3,
    }


@pytest.mark.parametrize("size", [BOUND, BOUND + 1])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_are_bounded_for_any_app(httpbin, size, chunked):
    """MAX_CONTENT_LENGTH is the runtime's: no app has to know of it."""
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"a" * size) if chunked else b"a" * size
    with connect(httpbin.port) as sock:
        sock.sendall(f"PUT /put HTTP/1.1\r\nHost: a\r\n{length}\r\n\r\n".encode() + body)
        status, _, _ = read_response(sock)
    assert status == (200 if size == BOUND else 413)  # httpbin knows of no limit
    assert get(httpbin.port, "/get")[0] == 200


def test_half_a_body_is_the_clients_fault(httpbin):
    """httpbin would answer 500: it knows no error of reading."""
    with connect(httpbin.port) as sock:
        sock.sendall(b"PUT /put HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nf0000\r\n")
        sock.sendall(b"a" * 300_000)
        sock.shutdown(socket.SHUT_WR)
        assert read_response(sock)[0] == 400
