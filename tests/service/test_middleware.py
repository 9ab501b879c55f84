"""Every response is completed, whatever made it, and whoever else has a say."""

import logging

import pytest
from flask import Response, request

from service.middleware import Middleware
from tests.service.sample import create_app

HEADERS = ("X-Pod-Name", "X-Request-ID", "Cache-Control", "X-Content-Type-Options")


@pytest.fixture
def fork(config):
    app = create_app(config)

    @app.after_request
    def add(response):
        response.headers["X-Fork"] = response.headers.get("X-Request-ID", "none yet")
        if response.status_code == 202:
            raise RuntimeError
        return response

    claims = {"X-POD-NAME": "other", "x-request-id": "other", "cache-control": "private"}
    app.add_url_rule("/claims", "claims", lambda: Response("a", headers=claims))
    app.add_url_rule("/hook-fails", "hook", lambda: ("a", 202))
    app.add_url_rule("/boom", "boom", lambda: 1 / 0)
    app.add_url_rule("/stream", "stream", lambda: Response(iter("ab")))
    app.add_url_rule("/wsgi", "wsgi", lambda: foreign)
    return app


def foreign(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"foreign"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/claims", 200),
        ("/stream", 200),
        ("/wsgi", 200),
        ("/nope", 404),
        ("/boom", 500),
        ("/hook-fails", 500),
    ],
)
def test_each_header_once(fork, path, status):
    response = fork.test_client().get(path, headers={"X-Request-ID": "mine"})

    assert response.status_code == status
    values = [response.headers.getlist(name) for name in HEADERS]
    cached = "private" if path == "/claims" else "no-store"
    assert values == [["hellopod-1"], ["mine"], [cached], ["nosniff"]]


def test_hooks_of_a_fork_come_before(fork):
    assert fork.test_client().get("/").headers["X-Fork"] == "none yet"


def test_what_the_runtime_knows_stays(fork):
    environ = {"hellopod.request_id": "of the runtime", "HTTP_X_REQUEST_ID": "of the client"}
    response = fork.test_client().get("/", environ_overrides=environ)

    assert response.headers["X-Request-ID"] == "of the runtime"


def test_route_is_noted(fork):
    """Also where no response tells: the server logs it all the same."""
    fork.add_url_rule("/leave/<number>", "leave", leave)
    environ = {}
    with pytest.raises(SystemExit):
        fork.test_client().get("/leave/1", environ_overrides={"hellopod.seen": environ})
    assert environ["hellopod.route"] == "/leave/<number>"


def leave(number):
    request.environ["hellopod.seen"].update(request.environ)
    raise SystemExit


def test_it_is_an_app_like_any_other():
    """With what PEP 3333 has a start_response do."""
    written = []

    def app(environ, start_response):
        start_response("200 OK", [])
        try:
            raise ValueError
        except ValueError as error:
            write = start_response("500 No", [("A", "b")], (ValueError, error, None))
        write(b"written")
        return [b"x"]

    def respond(status, headers, error=None):
        written.append((status, dict(headers)["X-Pod-Name"], bool(error)))
        return written.append

    assert Middleware(app, "pod-1", str)({}, respond) == [b"x"]
    assert written == [("200 OK", "pod-1", False), ("500 No", "pod-1", True), b"written"]


def test_ids_are_there_before_anything_is_logged(config):
    app = create_app(config)
    seen = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(request.environ)
    app.logger.addHandler(handler)
    app.add_url_rule("/boom", "boom", lambda: 1 / 0)
    app.test_client().get("/boom", headers={"X-Request-ID": "mine"})
    app.logger.removeHandler(handler)

    assert [environ["hellopod.request_id"] for environ in seen] == ["mine"]
