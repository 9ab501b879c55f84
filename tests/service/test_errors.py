import pytest
from flask import Flask, abort, redirect, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from service.config import Config
from tests.runtime.gunicorn_process import OURS, SAMPLE, Gunicorn
from tests.runtime.raw import send
from tests.service.sample import create_app


@pytest.fixture
def client():
    app: Flask = create_app(Config(max_content_length=10))

    @app.post("/json")
    def read_json():
        return request.get_json()

    @app.post("/ignores-its-body")
    def ignores():
        return "ok"

    @app.get("/boom")
    def boom():
        raise RuntimeError("secret detail")

    @app.get("/login")
    def login():
        raise Unauthorized(www_authenticate=WWWAuthenticate("bearer"))

    app.add_url_rule("/teapot", "teapot", view_func=lambda: abort(418))
    app.add_url_rule("/moved", "moved", view_func=lambda: redirect("/"))
    app.add_url_rule("/slash/", "slash", view_func=lambda: "ok")
    return app.test_client()


@pytest.mark.parametrize(
    ("method", "path", "arguments", "status"),
    [
        ("GET", "/nope", {}, 404),
        ("POST", "/", {}, 405),
        ("POST", "/json", {"data": "{", "content_type": "application/json"}, 400),
        ("POST", "/json", {"data": "{}", "content_type": "text/plain"}, 415),
        ("POST", "/json", {"data": "x" * 11, "content_type": "application/json"}, 413),
        ("POST", "/ignores-its-body", {"data": "x" * 11}, 413),
        ("GET", "/teapot", {}, 418),
        ("GET", "/login", {}, 401),
        ("GET", "/boom", {}, 500),
    ],
)
def test_error_is_a_problem(client, method, path, arguments, status):
    response = client.open(path, method=method, **arguments)

    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    problem = response.get_json()
    assert (problem["type"], problem["status"]) == ("about:blank", status)
    assert problem["title"] and problem["detail"]
    assert response.headers["X-Pod-Name"] and response.headers["X-Request-ID"]


def test_a_body_may_have_no_limit(client):
    client.application.config["MAX_CONTENT_LENGTH"] = None
    assert client.post("/ignores-its-body", data="x" * 11).status_code == 200


def test_headers_of_the_error_stay(client):
    assert "GET" in client.post("/").headers["Allow"]
    assert client.get("/login").headers["WWW-Authenticate"].startswith("Bearer")


def test_redirects_are_no_problems(client):
    assert client.get("/moved").status_code == 302
    assert client.get("/slash").status_code == 308
    assert client.get("/slash").content_type != "application/problem+json"


@pytest.fixture(scope="module")
def server():
    with Gunicorn(*OURS, SAMPLE, MAX_CONTENT_LENGTH="100000") as gunicorn:
        yield gunicorn


def send_chunked(server, path, body):
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    return send(server.port, head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + body)


@pytest.mark.parametrize("path", ["/api/echo", "/version"])
@pytest.mark.parametrize("size", [100_001, 200_000])
def test_chunked_body_is_bounded(server, path, size):
    answer = send_chunked(server, path, b"%x\r\n%s\r\n0\r\n\r\n" % (size, b"x" * size))

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_chunked_body_at_the_limit(server):
    answer = send_chunked(server, "/api/echo", b"186a0\r\n" + b"x" * 100_000 + b"\r\n0\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'"body_bytes":100000' in answer


@pytest.mark.parametrize(
    "chunks", [b"zz\r\n\r\n", b"-2\r\n\r\n", b"2\r\nabcd\r\n", b"0\r\nX y\r\n\r\n"]
)
def test_malformed_chunks_are_the_clients_fault(server, chunks):
    before = len(server.lines)
    answer = send_chunked(server, "/api/echo", chunks)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer
    assert not any('"ERROR"' in line for line in server.lines[before:])


def test_forwarder_headers_do_not_route(server):
    answer = send(server.port, b"GET /version HTTP/1.0\r\nSCRIPT_NAME: /version\r\n\r\n")

    assert answer.startswith(b"HTTP/1.0 200 ")


def test_crash_is_logged_once_and_not_shown(client, caplog):
    response = client.get("/boom")

    assert "secret detail" not in response.text
    tracebacks = [record for record in caplog.records if record.exc_info]
    assert len(tracebacks) == 1
    assert "secret detail" in caplog.text
