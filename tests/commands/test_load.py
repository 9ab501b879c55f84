"""What make load says of requests that have no answer."""

import re
from datetime import UTC, datetime

import pytest

from local.clients import SHOWN, TIMEOUT, Request, Seen, ask
from local.load import load, refused
from local.steps import Failure
from tests.service.hostile_upstream import OK, HostileUpstream, header, reset, saying


def test_a_failure_has_its_time_and_its_id(capsys):
    """So a reader finds the pod, and the moment, in the logs."""
    began = datetime.now(UTC)
    with HostileUpstream(lambda sock, *_: reset(sock)) as other:
        seen = Seen()
        ask(f"127.0.0.1:{other.port}", Request(), seen)
        identity = header(other.heads[0], "X-Request-ID")

    line = capsys.readouterr().out
    assert seen.outcomes == {"ConnectionResetError": 1}
    assert re.search(rf"  ConnectionResetError after 0\.\d+ s, X-Request-ID {identity}$", line)
    # In milliseconds, and as the logs have it.
    assert (datetime.fromisoformat(line.split()[0]) - began).total_seconds() > -0.001


def test_what_is_no_http_is_counted_too(capsys):
    with HostileUpstream(saying(b"SSH-2.0-OpenSSH_9.6\r\n")) as other:
        seen = Seen()
        ask(f"127.0.0.1:{other.port}", Request(), seen)

    assert seen.outcomes == {"BadStatusLine": 1}


def test_a_timeout_is_the_clients(capsys):
    Seen().failure(TimeoutError(), TIMEOUT, "load-1")

    assert f"; this client waits {TIMEOUT} s, and on a busy machine " in capsys.readouterr().out


def test_failures_in_full_are_bounded(capsys):
    seen = Seen()
    for _ in range(3 * SHOWN):
        seen.failure(ConnectionResetError(), 0.1, "load-1")
    lines = capsys.readouterr().out.splitlines()

    assert len(lines) == SHOWN
    assert [line.endswith("; later ones are only counted") for line in lines] == [
        *[False] * (SHOWN - 1),
        True,
    ]
    assert seen.outcomes == {"ConnectionResetError": 3 * SHOWN}


def test_rate_and_p99_are_of_the_interval():
    seen = Seen()
    for number in range(100):
        seen.answer(200, number / 100)
    rate, p99 = seen.look()
    assert rate > 0 and p99 == 0.99
    with HostileUpstream(saying(OK)) as other:
        ask(f"127.0.0.1:{other.port}", Request(), seen)

    assert seen.look()[1] < 0.99
    assert seen.look() == (0, None)
    assert seen.outcomes == {"200": 101}


NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def test_a_path_that_there_is_not_is_no_load():
    """A fork need not have the `/` that is asked for without URL."""
    with HostileUpstream(saying(NOT_FOUND)) as other, pytest.raises(Failure) as raised:
        load(f"http://127.0.0.1:{other.port}", ("false",), "orders", Request(), seconds=60)

    message = f"GET http://127.0.0.1:{other.port}/ answers 404; make load URL=/a/path"
    assert str(raised.value).startswith(message)
    assert len(other.heads) == 1


@pytest.mark.parametrize("status", ["200 OK", "429 Too Many Requests", "503 Service Unavailable"])
def test_a_service_that_is_busy_is_loaded(status):
    answer = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
    with HostileUpstream(saying(answer)) as other:
        assert not refused(f"127.0.0.1:{other.port}", Request())
