import json
import os
import pty
import subprocess
import sys
from datetime import timedelta
from types import SimpleNamespace

import pytest
from gunicorn.config import Config as GunicornConfig

from service.formatters import LONGEST_TEXT
from service.logs import GunicornLogger
from tests.runtime.gunicorn_process import OURS, REPOSITORY, SAMPLE, Gunicorn
from tests.runtime.raw import send

LOGS_A_REQUEST = """
import os
from datetime import timedelta
from types import SimpleNamespace
from gunicorn.config import Config as GunicornConfig
from werkzeug.test import create_environ
from service.config import Config
from service.logs import GunicornLogger, logging_config

settings = GunicornConfig()
settings.set("accesslog", "-")
settings.set("logconfig_dict", logging_config(Config.from_env(os.environ)))
response, request = SimpleNamespace(status="200 OK", sent=48), SimpleNamespace(path="/")
took = timedelta(milliseconds=1)
GunicornLogger(settings).access(response, request, create_environ("/"), took)
"""
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture(scope="module")
def server():
    with Gunicorn(*OURS, SAMPLE, LOG_LEVEL="debug") as gunicorn:
        yield gunicorn


def access_record(server, request_id: str) -> dict:
    server.wait_for(f'"gunicorn.access".*"request_id": "{request_id}"')
    (record,) = [
        record
        for record in server.records()
        if record["logger"] == "gunicorn.access" and record["request_id"] == request_id
    ]
    return record


def test_access_record(server):
    send(
        server.port,
        b"POST /api/echo?q=1 HTTP/1.1\r\nHost: a\r\nX-Request-ID: one\r\nUser-Agent: test\r\n"
        b"traceparent: 00-%s-%s-01\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
        % (TRACE.encode(), SPAN.encode()),
    )
    record = access_record(server, "one")

    assert 0 < record.pop("duration") < 5
    assert record.pop("bytes") == len('{"method":"POST","body_bytes":2}\n')
    assert record.pop("time")
    assert record == {
        "level": "INFO",
        "logger": "gunicorn.access",
        "message": "POST /api/echo 200",
        "pod": "pod-1",
        "method": "POST",
        "route": "/api/echo",
        "path": "/api/echo",
        "status": 200,
        "request_id": "one",
        "trace_id": TRACE,
        "span_id": SPAN,
        "remote_addr": "127.0.0.1",
        "scheme": "http",
        "host": "a",
        "user_agent": "test",
    }


def test_access_record_is_one_like_others():
    """For filters and handlers that somebody adds."""
    logger, seen = GunicornLogger(GunicornConfig()), []
    logger.access_log.addFilter(seen.append)  # and lets nothing pass
    environ = {"PATH_INFO": "/%d", "REQUEST_METHOD": "GET"}
    response, parsed = SimpleNamespace(status="200 OK", sent=1), SimpleNamespace(path="/%d")
    logger.access(response, parsed, environ, timedelta())
    logger.access_log.removeFilter(seen.append)

    [record] = seen
    assert (record.msg, record.args) == ("%s %s %d", ("GET", "/%d", 200))
    assert (record.levelname, record.name, record.module) == ("INFO", "gunicorn.access", "logs")


def test_probes_are_not_logged(server):
    send(server.port, b"GET /healthz HTTP/1.0\r\nX-Request-ID: probe\r\n\r\n")
    send(server.port, b"GET /after-the-probe HTTP/1.0\r\nX-Request-ID: after\r\n\r\n")
    access_record(server, "after")

    assert not any("probe" == record.get("request_id") for record in server.records())


@pytest.mark.parametrize(("level", "records"), [("info", 1), ("warning", 0)])
def test_level_decides_whether_requests_are_logged(level, records):
    """In a process of its own: a server could not say at that level which port it has."""
    command = [sys.executable, "-c", LOGS_A_REQUEST]
    environ = {"LOG_LEVEL": level}
    run = subprocess.run(command, cwd=REPOSITORY, env=environ, stdout=subprocess.PIPE, timeout=30)

    assert run.returncode == 0
    assert len(run.stdout.splitlines()) == records


def test_probes_that_fail_are_logged(server):
    send(server.port, b"POST /healthz HTTP/1.0\r\nX-Request-ID: failed-probe\r\n\r\n")

    assert access_record(server, "failed-probe")["status"] == 405


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("quotes", b"GET /\"'\\ HTTP/1.0\r\nUser-Agent: \"\\'{}%s%(x)s\r\n"),
        ("percent-encoded", b"GET /%0d%0a%00%1b[31m%ff%c3%28%ed%a0%80 HTTP/1.0\r\n"),
        ("latin-1", b"GET / HTTP/1.0\r\nUser-Agent: \xff\xfe\x85\x9b\r\n"),
        ("long", b"GET /" + b"a" * 4000 + b" HTTP/1.0\r\nUser-Agent: " + b"\xff" * 8000 + b"\r\n"),
        ("host", b"GET / HTTP/1.0\r\nHost: " + b"%s'&;" * 1600 + b"\r\n"),
        ("method", b'A!$%&B /"x" HTTP/1.0\r\n'),
    ],
)
def test_hostile_request(server, name, head):
    send(server.port, head + f"X-Request-ID: hostile-{name}\r\n\r\n".encode())
    record = access_record(server, f"hostile-{name}")

    assert len(json.dumps(record)) < 16 * 1024
    assert len(record["path"]) <= LONGEST_TEXT + 3


@pytest.mark.parametrize(
    "request_bytes",
    [
        b'GET / HTTP/1.1\r\nHost: a\r\nBad"\x00: \x1b\xff\r\n\r\n',
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b'"\x01\xff' * 3000 + b"\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n",
        b'\x00"\xff\r\n\r\n',
        b"GET /\xe9\x9b HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_malformed_request(server, request_bytes):
    """gunicorn writes these records itself, with the client's bytes in the message."""
    before = len(server.lines)
    send(server.port, request_bytes)
    send(server.port, b"GET / HTTP/1.0\r\nX-Request-ID: behind-%d\r\n\r\n" % before)
    server.wait_for(f"behind-{before}")

    assert len(server.lines) > before + 1
    assert all(len(line) < 16 * 1024 for line in server.lines)
    server.records()


def test_text_on_a_terminal():
    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "gunicorn", "--config"]
    process = subprocess.Popen(
        [*command, "python:service.gunicorn_conf"],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "PORT": "0", "MANAGEMENT_PORT": "0"},
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    with open(controller, encoding="utf-8") as lines:
        first, second = lines.readline(), lines.readline()
        process.terminate()
        process.wait(timeout=20)

    assert " INFO    gunicorn.error: Starting gunicorn" in first
    assert " settings PORT=0 MANAGEMENT_PORT=0 " in second
