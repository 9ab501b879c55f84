"""What a fork may use of Flask, on the app that it gets, with all that hellopod adds to it."""

from io import BytesIO

import pytest
from flask import Blueprint, Flask, abort, jsonify, request

from service import create_app
from service.http1.answers import DEFAULTS
from tests.service.test_application import CASES

HEADERS = {"x-pod-name", "x-request-id", "content-security-policy", *map(str.lower, DEFAULTS)}
ERROR = {"content-type", "content-length"}  # of an error's body
PAGE = b"<!doctype html>\n<html lang=en>\n<title>"  # begins Werkzeug's error


def told(response):
    """Return what a client sees, but for headers and bodies that hellopod has of its own."""
    headers = {name.lower(): value.split(".")[0] for name, value in response.headers}
    body, mine = response.data, HEADERS | {"date"}
    if body.startswith(PAGE) or response.mimetype == "application/problem+json":
        body, mine = b"an error", mine | ERROR
    return response.status, {k: v for k, v in headers.items() if k not in mine}, body


def outcome(app, build, asked):
    notes = []
    build(app, notes)
    client = app.test_client()
    each = [(target, dict(*more)) for target, _, *more in asked]
    return [told(client.open(target, buffered=True, **how)) for target, how in each], notes


@pytest.fixture
def app():
    return create_app(endpoints=Blueprint("api", __name__))


@pytest.mark.parametrize("name", [name for name, (*_, options) in CASES.items() if not options])
def test_as_flask(app, name):
    build, asked, _ = CASES[name]
    app.url_map.merge_slashes = True  # the metrics need it to be off

    assert outcome(app, build, asked) == outcome(Flask("fork", static_folder=None), build, asked)


def test_an_error_may_say_anything(app):
    app.add_url_rule("/text", "text", lambda: abort(422, ValueError("bad")))
    app.add_url_rule("/json", "json", lambda: abort(422, {"pieces": ["too many"]}))
    client = app.test_client()

    assert client.get("/text").get_json()["detail"] == "bad"
    assert client.get("/json").get_json()["detail"] == {"pieces": ["too many"]}


READERS = {
    "data": lambda: request.get_data(),
    "stream": lambda: request.stream.read(),
    "lines": lambda: b"".join(request.stream),
    "input": lambda: request.environ["wsgi.input"].read(),
    "form": lambda: request.form["a"].encode(),
    "file": lambda: request.files["a"].read(),
}
FORM = b"a=" + 5_000 * b"x"
FILE = b'--b\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\nx\r\n--b--\r\n'
BODIES = {
    "form": (FORM, FORM[2:], "application/x-www-form-urlencoded"),
    "file": (FILE, b"x", "multipart/form-data; boundary=b"),
}


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("reader", READERS)
def test_a_view_reads_a_body_in_any_way(app, reader, chunked):
    sent, expected, kind = BODIES.get(reader, (b"a\nb\n" * 5_000,) * 2 + ("text/plain",))
    app.post("/")(lambda: jsonify(READERS[reader]() == expected))
    length = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(sent))}
    response = app.test_client().post(
        "/",
        input_stream=BytesIO(sent),
        headers={"Content-Type": kind, **length},
        environ_overrides={"wsgi.input_terminated": True},
    )

    assert response.get_json() is True


def test_the_route_is_known_whatever_a_hook_does(app):
    """A preprocessor of a fork may end the request, as for a language that there is not."""
    seen = []

    @app.url_value_preprocessor
    def check(endpoint, values):
        seen.append(request.environ.get("hellopod.route"))
        abort(404)

    app.add_url_rule("/<language>/orders", "orders", lambda language: language)

    assert app.test_client().get("/xx/orders").status_code == 404
    assert seen == ["/<language>/orders"]
