import logging
import threading
import time
from dataclasses import replace

import pytest

from service import create_app

TOKEN = "a-token-for-the-tests"
PATHS = ["wait", "cpu", "hang", "stream", "status/500", "readiness/off"]
OTHERS = ["/healthz", "/metrics", "/api/identity"]


@pytest.fixture
def app(config):
    return create_app(replace(config, chaos_token=TOKEN, chaos_max_seconds=2.0))


@pytest.fixture
def chaos(client):
    """Asks with the token."""

    def ask(path, method="GET"):
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return client.open(f"/chaos/{path}", method=method, headers=headers)

    return ask


@pytest.mark.parametrize("path", PATHS)
def test_absent_without_token(config, path):
    client = create_app(config).test_client()

    for headers in ({}, {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": "Bearer "}):
        assert client.get(f"/chaos/{path}", headers=headers).status_code == 404


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("authorization", "challenge"),
    [
        (None, 'Bearer realm="hellopod chaos"'),
        ("Bearer", 'Bearer realm="hellopod chaos"'),
        ("Basic YTpi", 'Bearer realm="hellopod chaos"'),
        (f"Basic {TOKEN}", 'Bearer realm="hellopod chaos"'),
        ("Bearer x", 'Bearer realm="hellopod chaos", error=invalid_token'),
        (f"Bearer {TOKEN}x", 'Bearer realm="hellopod chaos", error=invalid_token'),
        (f"Bearer {TOKEN[:-1]}", 'Bearer realm="hellopod chaos", error=invalid_token'),
        (f"Bearer {TOKEN.upper()}", 'Bearer realm="hellopod chaos", error=invalid_token'),
        ("Bearer \xfc\xff", 'Bearer realm="hellopod chaos", error=invalid_token'),
    ],
)
def test_wrong_token(client, path, authorization, challenge):
    start = time.monotonic()
    headers = {"Authorization": authorization} if authorization else {}
    response = client.get(f"/chaos/{path}", headers=headers)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == challenge
    assert response.content_type == "application/problem+json"
    assert TOKEN not in response.text
    assert time.monotonic() - start < 0.5
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("wait?seconds=2.001", "seconds='2.001' is not allowed: a number from 0 to 2"),
        ("wait?seconds=-1", "seconds='-1' is not allowed: a number from 0 to 2"),
        ("wait?seconds=", "seconds='' is not allowed: a number from 0 to 2"),
        ("wait?seconds=nan", "seconds='nan' is not allowed: a number from 0 to 2"),
        ("wait?seconds=1e9", "seconds='1e9' is not allowed: a number from 0 to 2"),
        ("wait?seconds=%D9%A1", r"seconds='\u0661' is not allowed: a number from 0 to 2"),
        (
            "wait?seconds=" + "9" * 5000,
            f"seconds='{'9' * 80}' is not allowed: a number from 0 to 2",
        ),
        ("cpu?seconds=3", "seconds='3' is not allowed: a number from 0 to 2"),
        ("hang?seconds=3", "seconds='3' is not allowed: a number from 0 to 2"),
        ("stream?interval=0", "interval='0' is not allowed: a number from 0.01 to 2"),
        ("stream?interval=3", "interval='3' is not allowed: a number from 0.01 to 2"),
        ("stream?chunks=0", "chunks='0' is not allowed: a whole number from 1 to 21"),
        ("stream?chunks=22", "chunks='22' is not allowed: a whole number from 1 to 21"),
        ("stream?chunks=1.5", "chunks='1.5' is not allowed: a whole number from 1 to 21"),
        ("status/199", "code='199' is not allowed: a status code from 200 to 599"),
        ("status/600", "code='600' is not allowed: a status code from 200 to 599"),
        ("status/teapot", "code='teapot' is not allowed: a status code from 200 to 599"),
        ("readiness/maybe", "state='maybe' is not allowed: on or off"),
    ],
)
def test_amounts_are_capped(chaos, path, allowed):
    start = time.monotonic()
    response = chaos(path)

    assert (response.status_code, response.json["status"]) == (422, 422)
    assert response.content_type == "application/problem+json"
    assert response.json["detail"] == allowed
    assert time.monotonic() - start < 0.5


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_wait(chaos, method):
    start = time.monotonic()
    response = chaos("wait?seconds=0.3", method)

    assert (response.status_code, response.json) == (200, {"waited": 0.3})
    assert 0.3 <= time.monotonic() - start < 1.3


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_cpu(chaos, method):
    before = time.process_time()
    response = chaos("cpu?seconds=0.2", method)

    assert (response.status_code, response.json) == (200, {"burned": 0.2})
    assert 0.2 <= time.process_time() - before < 1.2


def test_hang_lasts_as_long_as_is_allowed(chaos):
    start = time.monotonic()
    response = chaos("hang")

    assert (response.status_code, response.json) == (200, {"hung": 2.0})
    assert 2 <= time.monotonic() - start < 3


def test_stream(chaos):
    start = time.monotonic()
    pieces = list(chaos("stream?chunks=3&interval=0.2", "POST").iter_encoded())

    assert [len(piece) for piece in pieces] == [64, 64, 64]
    assert 0.4 <= time.monotonic() - start < 1.4


def test_stream_begins_at_once(app):
    request = {"headers": {"Authorization": f"Bearer {TOKEN}"}, "buffered": False}
    response = app.test_client().get("/chaos/stream?chunks=2&interval=2", **request)

    start = time.monotonic()
    next(response.iter_encoded())
    assert time.monotonic() - start < 1
    response.close()


@pytest.mark.parametrize("code", [200, 204, 304, 302, 400, 418, 429, 499, 500, 503, 599])
def test_status(chaos, code):
    response = chaos(f"status/{code}")

    assert response.status_code == code
    if code >= 400:
        assert response.content_type == "application/problem+json"
        assert response.json["status"] == code


def test_status_is_no_error_in_the_log(chaos, caplog):
    chaos("status/500")

    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_readiness(chaos, client):
    assert chaos("readiness/off", "POST").json == {"readiness": "off"}
    refused = client.get("/readyz")
    assert refused.status_code == 503
    assert refused.content_type == "application/problem+json"
    assert client.get("/healthz").status_code == 200
    assert client.get("/").status_code == 200

    assert chaos("readiness/on", "POST").json == {"readiness": "on"}
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods(chaos, method):
    assert chaos("wait", method).status_code == 405


def test_others_do_not_wait(app, chaos):
    waiting = threading.Thread(target=chaos, args=("wait?seconds=2",))
    waiting.start()
    start = time.monotonic()

    for path in OTHERS:
        assert app.test_client().get(path).status_code == 200
    assert time.monotonic() - start < 1
    waiting.join()


def test_token_is_never_shown(app, client, chaos, caplog):
    caplog.set_level(logging.DEBUG)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    seen = [client.get(path, headers=headers).text for path in ("/", "/api/echo", "/metrics")]
    seen += [chaos(path).text for path in ("status/500", "wait?seconds=no", "nothing")]
    seen += [caplog.text, repr(app.extensions["config"].public())]

    assert TOKEN not in "".join(seen)
    assert app.extensions["config"].public()["CHAOS_TOKEN"] == "***"
