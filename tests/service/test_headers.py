import re

import pytest
from flask import Response, abort, redirect

from service.config import Config
from tests.runtime.gunicorn_process import OURS, TEST_APP, Gunicorn
from tests.runtime.raw import connect, eventually, get, read_response, send
from tests.service.sample import create_app

# What caches may do with each route; a new one has to decide. no-store is what a handler gets that
# says nothing, and right for all that is true of one pod at one moment.
CACHING = {
    "/": "no-store",
    "/api/identity": "no-store",
    "/api/echo": "no-store",
    "/api/chain": "no-store",
    "/version": "no-store",  # a rollout has two
    "/healthz": "no-store",
    "/readyz": "no-store",
    "/metrics": "no-store",
    "/openapi.yaml": "no-cache",  # kept, but asked for each time
}
TOKEN = "a-token-of-16-chars"


def test_every_route_decides(app):
    assert {rule.rule for rule in app.url_map.iter_rules()} == CACHING.keys()


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", CACHING)
def test_route(client, path, method):
    headers = client.open(path, method=method).headers

    assert headers.getlist("Cache-Control") == [
        CACHING[path] if method != "OPTIONS" else "no-store"
    ]
    assert headers.getlist("X-Content-Type-Options") == ["nosniff"]


@pytest.mark.parametrize("path", CACHING)
def test_policy_is_for_html_alone(client, path):
    assert "Content-Security-Policy" not in client.get(path).headers


def test_contract_is_revalidated(client):
    first = client.get("/openapi.yaml")
    etag = first.headers["ETag"]
    again = client.get("/openapi.yaml", headers={"If-None-Match": etag})
    other = client.get("/openapi.yaml", headers={"If-None-Match": '"other"'})

    assert (again.status_code, again.data) == (304, b"")
    assert (again.headers["ETag"], again.headers["Cache-Control"]) == (etag, "no-cache")
    assert (other.status_code, other.data) == (200, first.data)


@pytest.fixture
def fork():
    """Somebody's own endpoints."""
    app = create_app(Config(chaos_token=TOKEN))

    @app.get("/kept")
    def kept():
        response = Response("<p>", mimetype="text/html")
        response.cache_control.max_age = 60
        response.content_security_policy = "default-src 'none'"
        return response

    @app.get("/streamed")
    def streamed():
        return Response(iter(["a", "b"]), headers={"cache-control": "private"})

    app.add_url_rule("/html", "html", view_func=lambda: "<p>")
    app.add_url_rule("/moved", "moved", view_func=lambda: redirect("/", 301))
    app.add_url_rule("/gone", "gone", view_func=lambda: abort(410))
    app.add_url_rule("/boom", "boom", view_func=lambda: 1 / 0)
    return app.test_client()


def test_defaults_are_safe(fork):
    headers = fork.get("/html").headers

    assert headers["Cache-Control"] == "no-store"
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]


def test_handlers_decide(fork):
    kept = fork.get("/kept").headers

    assert kept.getlist("Cache-Control") == ["max-age=60"]
    assert kept.getlist("Content-Security-Policy") == ["default-src 'none'"]
    assert kept["X-Content-Type-Options"] == "nosniff"
    assert fork.get("/streamed").headers.getlist("Cache-Control") == ["private"]


@pytest.mark.parametrize(
    ("path", "status"),
    [("/moved", 301), ("/nope", 404), ("/gone", 410), ("/boom", 500), ("/chaos/wait", 401)],
)
def test_no_cache_keeps_errors_and_moves(fork, path, status):
    """RFC 9110 section 15.1: by themselves 301, 404 and 410 may be kept."""
    response = fork.get(path)

    assert response.status_code == status
    assert response.headers.getlist("Cache-Control") == ["no-store"]
    assert response.headers.getlist("X-Content-Type-Options") == ["nosniff"]


@pytest.fixture(scope="module")
def server():
    # A queue of one: the slot of an answered request is free a moment after its client has all.
    settings = {"CONCURRENCY": "1", "QUEUE_LENGTH": "1", "READ_TIMEOUT": "1"}
    with Gunicorn(*OURS, TEST_APP, **settings) as gunicorn:
        yield gunicorn


def assert_safe(status, answer):
    assert answer[0] == status
    assert answer[1]["cache-control"] == "no-store"
    assert answer[1]["x-content-type-options"] == "nosniff"
    assert "server" not in answer[1]


@pytest.mark.parametrize(
    ("port", "path", "status"),
    [
        ("port", "/healthz", 200),
        ("port", "/readyz", 200),
        ("port", "/raise", 500),
        ("management", "/healthz", 200),
        ("management", "/readyz", 200),
        ("management", "/metrics", 200),
        ("management", "/nope", 404),
    ],
)
def test_runtime_answer(server, port, path, status):
    assert_safe(status, get(getattr(server, port), path))


def test_refusal(server):
    with connect(server.port) as busy:
        busy.sendall(b"GET /stream/2/1 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert busy.recv(100)  # it has the only slot, for two seconds
        assert_safe(503, get(server.port, "/do"))
    eventually(lambda: get(server.port, "/do")[0] == 200)


@pytest.mark.parametrize(
    ("status", "request_bytes"),
    [
        (400, b"GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n"),
        (408, b"GET / HTTP/1.1\r\nHost: a\r\n"),
    ],
)
def test_what_no_app_sees(server, status, request_bytes):
    with connect(server.port) as sock:
        sock.sendall(request_bytes)
        assert_safe(status, read_response(sock))


def test_half_a_body(server):
    answer = send(server.port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"\r\nCache-Control: no-store\r\n" in answer


def test_no_version_of_the_server():
    """gunicorn names itself, and no setting prevents that. Its version stays untold."""
    with Gunicorn() as gunicorn:
        for path in CACHING:
            _, headers, _ = get(gunicorn.port, path)
            assert headers.get("server", "gunicorn") == "gunicorn"
            assert headers["cache-control"] == CACHING[path]
            told = {headers[name] for name in headers.keys() - {"date", "etag", "x-request-id"}}
            assert not [text for text in told if re.search(r"(?i)python|werkzeug|flask", text)]
        etag = get(gunicorn.port, "/openapi.yaml")[1]["etag"]
        answer = send(
            gunicorn.port,
            b"GET /openapi.yaml HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
            b"If-None-Match: %b\r\n\r\n" % etag.encode(),
        )
    assert answer.startswith(b"HTTP/1.1 304 ") and answer.endswith(b"\r\n\r\n")
