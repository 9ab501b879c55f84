"""What cannot be read counts as absent; what can, is what Flask makes of it."""

import flask
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import BadRequest, HTTPException
from werkzeug.test import create_environ

from service.application import Application
from service.request import OrAbsent, Request, blueprints, readable
from tests.fuzz.test_headers import ANY, DATES, VALUES, mutate
from tests.service.sample import create_app

PROPERTIES = sorted(name for name, kind in vars(Request).items() if isinstance(kind, OrAbsent))
READ = [*PROPERTIES, "accept_charsets", "if_range", "args", "full_path", "form", "files", "values"]
READ += ["content_type", "is_json", "data", "url", "access_control_request_method", "referrer"]


def request_with(kind, value):
    environ = create_environ("/", query_string=b"") | {"CONTENT_TYPE": value}
    return kind(environ | {f"HTTP_{name.upper().replace('-', '_')}": value for name in VALUES})


def shown(request, name):
    """Return what is read, or the exception."""
    try:
        return repr(getattr(request, name))
    except (HTTPException, ValueError, OverflowError, LookupError, TypeError) as error:
        return error


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ANY), st.randoms())
def test_what_flask_can_read_is_the_same(value, chance):
    value = mutate(value, chance)
    with Application("app").app_context():
        stock, ours = request_with(flask.Request, value), request_with(Request, value)
        for name in READ:
            expected, found = shown(stock, name), shown(ours, name)
            if isinstance(expected, HTTPException):
                assert type(found) is type(expected)
            elif isinstance(expected, str) and name not in ("accept_charsets", "if_range"):
                assert found == expected, name
            assert (
                name == "url"
                or not isinstance(found, Exception)
                or isinstance(expected, BadRequest)
            )


def test_every_property_that_reads_a_header_is_ours():
    """Werkzeug has a new one: put it into Request, or here if nothing can be wrong about it."""
    harmless = "content_encoding content_md5 content_type host origin referrer user_agent_class"
    others = "args data form files full_path json is_json stream values url base_url host_url"
    others += " root_url url_root script_root input_stream remote_user is_secure is_multithread"
    others += " is_multiprocess is_run_once want_form_data_parsed access_control_request_method"
    ours_or_flasks = "blueprint blueprints endpoint max_content_length max_form_memory_size"
    ours_or_flasks += " max_form_parts accept_charsets if_range"
    found = {
        name
        for name in dir(flask.Request)
        if not name.startswith("_") and hasattr(getattr(flask.Request, name), "__get__")
        if not callable(getattr(flask.Request, name))
    }
    known = {*PROPERTIES, *harmless.split(), *others.split(), *ours_or_flasks.split()}
    assert found - known == set()


@pytest.mark.parametrize("date", DATES)
@pytest.mark.parametrize("name", ["If-Modified-Since", "If-Unmodified-Since", "If-Range", "Date"])
def test_a_date_that_is_none_is_ignored(client, name, date):
    headers = {name: date, "Range": "bytes=0-1"}
    assert client.get("/openapi.yaml", headers=headers).status_code == 200


def test_absent_is_absent():
    request = request_with(Request, DATES[0])

    assert request.if_modified_since is request.if_unmodified_since is request.date is None
    assert request.if_range.date is None and request.if_range.etag is None
    assert request_with(Request, "Basic \xff\xff").authorization is None
    assert request_with(Request, "Basic YTpi").authorization.username == "a"
    assert list(request_with(Request, "\0;q=1, utf-8").accept_charsets) == [("utf-8", 1)]


def test_what_is_absent_for_one_is_not_shared():
    class Failing(Request):
        pragma = OrAbsent("pragma")

    class Raising:
        def __get__(self, request, owner):
            if "REQUEST_METHOD" in request.environ:
                raise ValueError
            return flask.Request.pragma.__get__(request, owner)

    Failing.__dict__["pragma"].property = Raising()
    one, other = (Failing(create_environ("/")) for _ in range(2))
    one.pragma.add("no-cache")

    assert list(other.pragma) == []


def test_answers_are_no_parse_errors():
    """BadRequestKeyError is a KeyError too."""

    class Refusing:
        def __get__(self, request, owner):
            raise BadRequest

    descriptor = OrAbsent("cookies")
    descriptor.property = Refusing()
    with pytest.raises(BadRequest):
        descriptor.__get__(Request(create_environ("/")), Request)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"a=1", b"a=1"),
        ("a=\u00e9".encode(), "a=\u00e9".encode()),
        (b"a=\xff&b=\xc3\xa9", b"a=%FF&b=%C3%A9"),
    ],
)
def test_query_can_be_read(query, expected):
    assert readable(query) == expected


def test_query_that_is_no_text(app, client):
    app.add_url_rule("/query", view_func=lambda: flask.request.args.to_dict(flat=False))
    response = client.get("/query", environ_overrides={"QUERY_STRING": "a=\xff"})

    assert (response.status_code, response.json) == (200, {"a": ["%FF"]})


@pytest.mark.parametrize("header", ["Basic \xff\xff", "Basic =", "Basic", "Digest \xff", "Bearer"])
def test_credentials_that_are_none(chaos_app, header):
    client = chaos_app.test_client()
    response = client.get("/chaos/wait", headers={"Authorization": header})

    assert response.status_code == 401
    assert response.content_type == "application/problem+json"


@pytest.mark.parametrize(
    ("body", "status", "silent"),
    [
        ('{"a": 1}', 200, {"a": 1}),
        ("[" * 100_000, 400, None),
        ('{"a":' * 100_000, 400, None),
        ("9" * 5000, 400, None),
        ("\xff", 400, None),
        ("", 400, None),
    ],
)
def test_json_of_any_kind(config, body, status, silent):
    app = create_app(config)
    app.add_url_rule("/read", "read", lambda: flask.jsonify(flask.request.json), methods=["POST"])
    app.add_url_rule(
        "/silent",
        "silent",
        lambda: flask.jsonify(flask.request.get_json(silent=True)),
        methods=["POST"],
    )
    sent = {"data": body.encode("latin-1"), "content_type": "application/json"}
    response = app.test_client().post("/read", **sent)

    assert response.status_code == status
    assert status == 200 or response.content_type == "application/problem+json"
    assert app.test_client().post("/silent", **sent).json == silent


@pytest.mark.parametrize("depth", [500, 900, *range(940, 1000), 1500, 9_000, 20_000])
def test_json_that_can_be_read_can_be_written(config, depth):
    app = create_app(config)
    app.add_url_rule("/read", "read", lambda: flask.jsonify(flask.request.json), methods=["POST"])
    nested = "[" * depth + "]" * depth
    response = app.test_client().post("/read", data=nested, content_type="application/json")

    assert response.status_code in (200, 400)


@pytest.mark.parametrize("endpoint", ["a", "a.b", "a.b.c", "a.b.c.d"])
def test_blueprints_are_named_as_by_flask(endpoint):
    rule = flask.Flask.url_rule_class("/", endpoint=endpoint)
    stock, ours = flask.Request(create_environ("/")), Request(create_environ("/"))
    assert stock.blueprints == ours.blueprints == []
    stock.url_rule = ours.url_rule = rule

    assert ours.blueprints == stock.blueprints == blueprints(endpoint)
