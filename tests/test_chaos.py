import logging
import threading
import time
from dataclasses import replace

import pytest

from service import create_app
from tests.runtime.gunicorn_process import Gunicorn
from tests.runtime.raw import get, send

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


SECRET = "4b1d5eb7c0ffee2a9f3e7d6c8b5a4f01"  # fits a request id and a trace id too
ENCODED = "".join(f"%{ord(character):x}" for character in SECRET)
CUT = 10  # characters of it in a row are too many


def request(target, *headers, method="GET", body=b""):
    lines = [f"{method} {target} HTTP/1.1", "Host: a", "Connection: close", *headers]
    lines += [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


TARGETS = [
    f"/{SECRET}",
    f"/{ENCODED}",
    f"/{'a' * 500}{SECRET}",
    f"/chaos/{SECRET}",
    f"/chaos/status/{SECRET}",
    f"/chaos/wait?seconds={SECRET}",
    f"/chaos/wait?seconds={ENCODED}",
    f"/chaos/wait?seconds={'9' * 65}{SECRET}",
    f"/api/echo?q={SECRET}",
    f"/api/echo?q={ENCODED}",
    f"/api/echo?q={SECRET.upper()}",
    f"/api/echo?{SECRET}=q",
    f"/api/echo?token={SECRET}",
]
HEADERS = [
    f"Authorization: Bearer {SECRET}",
    f"Authorization: bearer  {SECRET}",
    f"Authorization: Basic {SECRET}",
    f"Authorization: {SECRET}",
    f"Proxy-Authorization: Bearer {SECRET}",
    f"Cookie: session={SECRET}",
    f"X-Whatever: {SECRET}",
    f"{SECRET}: x",
    f"User-Agent: {'a' * 500}{SECRET}",
    f"Referer: http://a/?q={SECRET}",
    f"X-Request-ID: {SECRET}",
    f"X-Request-ID: a-{SECRET}",
    f"traceparent: 00-{SECRET}-{'1' * 16}-01",
    f"tracestate: a={SECRET}",
    f"Host: {SECRET}",
    f"Content-Type: {SECRET}",
    f"Accept: {SECRET}",
    f"Expect: {SECRET}",
    f"Transfer-Encoding: {SECRET}",
    f"X-\xff{SECRET}: x",
    f"X-Whatever: \x01{SECRET}",
]
BODIES = [SECRET, "x" * 4080 + SECRET, f'{{"token": "{SECRET}"}}']
WHERE = ["/", "/api/echo", "/api/identity", "/chaos/wait?seconds=no", "/nothing", "/healthz"]
REQUESTS = [
    *(request(target, f"Authorization: Bearer {SECRET}") for target in TARGETS),
    *(request(target) for target in TARGETS),
    *(request(target, method="POST") for target in TARGETS),
    *(request(where, header) for where in WHERE for header in HEADERS),
    *(request("/api/echo", method="POST", body=body.encode()) for body in BODIES),
    request("/", method=SECRET),
    f"GET / HTTP/{SECRET}\r\n\r\n".encode(),
    f"{SECRET}\r\n\r\n".encode(),
    request("/api/echo", "Transfer-Encoding: chunked", method="POST") + SECRET.encode(),
    request("/api/echo", "Transfer-Encoding: chunked") + f"1;{SECRET}\r\nx\r\n0\r\n\r\n".encode(),
    request("/api/echo", f"X-Request-ID: {SECRET}", "Content-Length: 9", method="POST") + b"half",
]


def leaks(text):
    text = text.lower()
    return [piece for at in range(len(SECRET) - CUT) if (piece := SECRET[at : at + CUT]) in text]


def test_token_is_never_shown():
    """Sent in every place there is; then everything that comes out is looked at."""
    with Gunicorn(CHAOS_TOKEN=SECRET, CHAOS_MAX_SECONDS="2", LOG_LEVEL="debug") as server:
        for port in (server.port, server.management):
            for sent in REQUESTS:
                assert (sent, leaks(send(port, sent).decode("latin-1"))) == (sent, [])
        accept = "Accept: application/openmetrics-text\r\n"
        for port in (server.port, server.management):
            for headers in ("", accept):
                assert leaks(get(port, "/metrics", headers)[2].decode()) == []
        assert server.stop() == 0
        assert len(server.records()) > len(REQUESTS)
    assert [line for line in server.lines if leaks(line)] == []
    assert '"CHAOS_TOKEN": "***"' in "".join(server.lines)
