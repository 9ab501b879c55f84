"""Who gets in, and that the token does not get out."""

import time

import pytest

from tests.runtime.gunicorn_process import OURS, SAMPLE, Gunicorn
from tests.runtime.raw import get, send
from tests.service.sample import create_app

TOKEN = "a-token-for-the-tests"
GETS = ["wait", "cpu", "hang", "stream", "status/500"]
POSTS = ["readiness/off", "memory", "fail", "kill", "exit/1"]
FAULTS = [*(("GET", path) for path in GETS), *(("POST", path) for path in [*GETS, *POSTS])]

every_fault = pytest.mark.parametrize(("method", "path"), FAULTS)


@pytest.fixture
def client(chaos_app):
    return chaos_app.test_client()


@every_fault
def test_absent_without_token(config, method, path):
    client = create_app(config).test_client()

    for headers in ({}, {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": "Bearer "}):
        assert client.open(f"/chaos/{path}", method=method, headers=headers).status_code == 404


def test_these_are_all(chaos_app):
    rules = [rule for rule in chaos_app.url_map.iter_rules() if rule.rule.startswith("/chaos/")]
    methods = {rule.rule.split("/")[2]: rule.methods & {"GET", "POST"} for rule in rules}

    assert {(method, name) for name in methods for method in methods[name]} == {
        (method, path.split("/")[0]) for method, path in FAULTS
    }


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
def test_wrong_token(client, authorization, challenge):
    start = time.monotonic()
    headers = {"Authorization": authorization} if authorization else {}
    for method, path in FAULTS:
        response = client.open(f"/chaos/{path}", method=method, headers=headers)

        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == challenge
        assert response.content_type == "application/problem+json"
    assert time.monotonic() - start < 1  # no fault, but waits and hangs would be
    assert client.get("/readyz").status_code == client.get("/").status_code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods(chaos, method):
    assert chaos("wait", method).status_code == 405


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_what_hits_others_needs_a_post(chaos, path, method):
    assert chaos(path, method).status_code == 405


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
    f"/chaos/exit/{SECRET}",
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
    with Gunicorn(
        *OURS, SAMPLE, CHAOS_TOKEN=SECRET, CHAOS_MAX_SECONDS="2", LOG_LEVEL="debug"
    ) as server:
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
