import io

import pytest
from flask import Flask, abort, redirect, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized
from werkzeug.test import EnvironBuilder

from service import create_app
from service.config import Config


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


def test_headers_of_the_error_stay(client):
    assert "GET" in client.post("/").headers["Allow"]
    assert client.get("/login").headers["WWW-Authenticate"].startswith("Bearer")


def test_redirects_are_no_problems(client):
    assert client.get("/moved").status_code == 302
    assert client.get("/slash").status_code == 308
    assert client.get("/slash").content_type != "application/problem+json"


def test_body_of_unknown_length_is_bounded(client):
    chunked = EnvironBuilder("/json", method="POST", content_type="application/json").get_environ()
    chunked["wsgi.input"] = io.BytesIO(b"x" * 11)
    chunked["wsgi.input_terminated"] = True  # as gunicorn says of a chunked body

    assert client.open(chunked).status_code == 413


def test_crash_is_logged_once_and_not_shown(client, caplog):
    response = client.get("/boom")

    assert "secret detail" not in response.text
    tracebacks = [record for record in caplog.records if record.exc_info]
    assert len(tracebacks) == 1
    assert "secret detail" in caplog.text
