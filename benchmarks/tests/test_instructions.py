import json

import pytest

from benchmarks import handlers
from benchmarks.comparison import OURS
from benchmarks.instructions import FEW, FULL, MANY, counted, each, tables
from benchmarks.sequence import RECORD, Held, Request, send
from tests.runtime.gunicorn_process import OURS as CONFIGURATION
from tests.runtime.gunicorn_process import Gunicorn


@pytest.fixture(scope="module")
def server():
    app = "benchmarks.handlers:create_app()"
    with Gunicorn(*CONFIGURATION, app, **FULL) as gunicorn:
        yield gunicorn


def test_all_processes_are_counted(tmp_path):
    for pid, total in ((7, 1200), (8, 34)):
        tmp_path.joinpath(str(pid)).write_text(f"events: Ir\nsummary: 5\n\ntotals: {total}\n")

    assert counted(str(tmp_path)) == 1234


def test_what_a_start_takes_does_not_count():
    asked = []

    def count(requests):
        asked.append(requests)
        return 5_000_000 + 2_000 * requests

    assert each(count) == [2.0]
    assert asked == [FEW, MANY]


def test_a_record_is_two_kilobytes_and_comes_back():
    response = handlers.create_app().test_client().post("/echo", json=json.loads(RECORD))

    assert response.json == json.loads(RECORD)
    assert len(response.json) == 20
    assert 1_900 <= len(RECORD) <= 2_200


def test_requests_are_answered_as_expected(server):
    send(server.port, Request("/echo", "POST", RECORD), 3)
    send(server.management, Request("/healthz"), 3)
    with pytest.raises(SystemExit, match="/nope answered 404, not 200"):
        send(server.port, Request("/nope"), 1)


def test_who_is_held_has_the_only_slot(server):
    with Held(server.port):
        send(server.port, Request("/", status=503), 3)
    send(server.port, Request("/"), 3)


def test_ours_is_in_every_table():
    assert all(OURS in counts for _, counts in tables().values())
