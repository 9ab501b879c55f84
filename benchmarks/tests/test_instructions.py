from http.client import HTTPConnection

import pytest

from benchmarks import instructions
from benchmarks.comparison import OURS
from benchmarks.instructions import FEW, FULL, MANY, OCCUPIED, counted, each, occupied, send, tables
from tests.runtime.gunicorn_process import OURS as CONFIGURATION
from tests.runtime.gunicorn_process import Gunicorn


@pytest.fixture(scope="module")
def server():
    with Gunicorn(*CONFIGURATION, OCCUPIED.app, **FULL) as gunicorn:
        yield gunicorn


def test_all_processes_are_counted(tmp_path):
    for pid, total in ((7, 1200), (8, 34)):
        tmp_path.joinpath(str(pid)).write_text(f"events: Ir\nsummary: 5\n\ntotals: {total}\n")

    assert counted(str(tmp_path)) == 1234


def test_a_server_that_was_killed_has_no_count(tmp_path):
    """valgrind leaves empty files of it."""
    tmp_path.joinpath("7").touch()

    with pytest.raises(SystemExit, match="a server was killed"):
        counted(str(tmp_path))


def test_what_a_start_takes_does_not_count():
    asked = []

    def count(requests):
        asked.append(requests)
        return 5_000_000 + 2_000 * requests

    assert each(count) == [2.0]
    assert sorted(asked) == [FEW, MANY]


def test_requests_are_answered_as_expected(server):
    send(server.port, "/", 3)
    send(server.port, "/?{}", 3)
    send(server.management, "/healthz", 3)
    send(server.port, "/echo", 3)
    with pytest.raises(SystemExit, match="/nope answered 404, not 200"):
        send(server.port, "/nope", 1)


@pytest.mark.parametrize(
    ("path", "identity", "expected"),
    [
        ("/?{}", "", [("/?0", None), ("/?1", None)]),
        ("/", "id-{}", [("/", "id-0"), ("/", "id-1")]),
    ],
)
def test_each_request_may_differ(monkeypatch, server, path, identity, expected):
    sent = []

    class Connection(HTTPConnection):
        def request(self, method, path, body, headers):
            sent.append((path, headers.get("X-Request-ID")))
            super().request(method, path, body, headers)

    monkeypatch.setattr(instructions, "HTTPConnection", Connection)
    send(server.port, path, 2, identity=identity)

    assert sent == expected


def test_the_only_slot_can_be_occupied(server):
    with occupied(server.port):
        send(server.port, "/", 3, 503)
    send(server.port, "/", 3)


def test_ours_is_in_every_table():
    assert all(OURS in counts for _, counts in tables().values())
