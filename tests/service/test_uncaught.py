"""Failures of a dependency wherever an app may raise them, in Flask's own words.

tests/process/test_outages.py asks gunicorn.
"""

import logging

import pytest
from flask import Blueprint, Response, after_this_request, stream_with_context
from werkzeug.exceptions import ImATeapot
from werkzeug.test import create_environ

from service.http1.head import IncompleteBody, ProtocolError
from service.response import Body


class DatabaseError(Exception):
    pass


class CacheError(Exception):
    pass


class StoreError(Exception):
    """As a layer of a fork's own raises it."""


def fail(*_):
    raise DatabaseError("gone")


def chain(error):
    """Raise it from a failure."""
    try:
        fail()
    except DatabaseError as failure:
        raise error from failure


def one_after_another():
    """Raise from what was raised from a failure."""
    try:
        chain(StoreError("no order"))
    except StoreError as error:
        raise RuntimeError("no page") from error


def in_circles():
    """Raise what is its own cause."""
    error = StoreError("round and round")
    error.__cause__ = error
    raise error


def in_a_circle_of_groups():
    """Raise one of a group from that group, as many unwrap it."""
    try:
        raise group(KeyError("a mistake"), KeyError("another"))
    except ExceptionGroup as found:
        raise found.exceptions[0] from found


def after_a_mistake():
    """Raise while another is handled, and not because of it."""
    try:
        fail()
    except DatabaseError:
        {}["a mistake"]


def group(*errors):
    raise ExceptionGroup("tasks", errors)


KINDS = {}


def kind(build):
    KINDS[build.__name__] = build
    return build


@kind
def view(app):
    app.add_url_rule("/orders", view_func=fail)


@kind
def asynchronous_view(app):
    async def ask():
        fail()

    app.add_url_rule("/orders", view_func=ask)


@kind
def asynchronous_group(app):
    async def ask():
        group(DatabaseError("gone"), ExceptionGroup("more", [DatabaseError("gone")]))

    app.add_url_rule("/orders", view_func=ask)


@kind
def cause(app):
    app.add_url_rule("/orders", view_func=lambda: chain(StoreError("no order")))


@kind
def cause_of_a_cause(app):
    app.add_url_rule("/orders", view_func=one_after_another)


@kind
def cause_in_a_group(app):
    def ask():
        try:
            group(DatabaseError("gone"))
        except ExceptionGroup as error:
            raise StoreError("no order") from error

    app.add_url_rule("/orders", view_func=ask)


@kind
def before_request(app):
    app.add_url_rule("/orders", view_func=lambda: "ok")
    app.before_request(fail)


@kind
def url_value_preprocessor(app):
    app.add_url_rule("/orders", view_func=lambda: "ok")
    app.url_value_preprocessor(fail)


@kind
def after_request(app):
    app.add_url_rule("/orders", view_func=lambda: "ok")
    app.after_request(fail)


@kind
def after_this(app):
    app.add_url_rule("/orders", view_func=lambda: after_this_request(fail) and "ok")


@kind
def after_request_of_a_blueprint(app):
    blueprint = Blueprint("orders", __name__)
    blueprint.add_url_rule("/orders", view_func=lambda: "ok")
    blueprint.after_request(fail)
    app.register_blueprint(blueprint)


@kind
def view_and_all_hooks_behind(app):
    app.add_url_rule("/orders", view_func=fail)
    app.after_request(fail)
    app.teardown_request(fail)
    app.teardown_appcontext(fail)


@kind
def teardown_request(app):
    app.add_url_rule("/orders", view_func=lambda: "ok")
    app.teardown_request(fail)


@kind
def teardown_appcontext(app):
    app.add_url_rule("/orders", view_func=lambda: "ok")
    app.teardown_appcontext(fail)


@kind
def error_handler(app):
    app.add_url_rule("/orders", view_func=lambda: ("", 1 / 0))
    app.register_error_handler(ZeroDivisionError, fail)


@kind
def session(app):
    class Sessions(type(app.session_interface)):
        def open_session(self, app, request):
            fail()

    app.add_url_rule("/orders", view_func=lambda: "ok")
    app.session_interface = Sessions()


@kind
def first_part(app):
    app.add_url_rule("/orders", view_func=lambda: Response(fail() for _ in "a"))


@kind
def part_behind_an_empty_one(app):
    def parts():
        yield ""
        fail()

    app.add_url_rule("/orders", view_func=lambda: Response(parts()))


@kind
def first_part_with_context(app):
    app.add_url_rule(
        "/orders", view_func=lambda: Response(stream_with_context(fail() for _ in "a"))
    )


STREAMS = {"first_part", "part_behind_an_empty_one", "first_part_with_context"}
# Flask's own metrics have counted the 200 by then.
LATE = STREAMS | {"teardown_request", "teardown_appcontext"}


@pytest.fixture(params=["app", "chaos_app"])
def fork(request):
    """An app with a database, without and with chaos."""
    app = request.getfixturevalue(request.param)
    app.extensions["outages"].register("database", DatabaseError, retry_after=7)
    return app


@pytest.fixture
def lines(caplog):
    """Returns what was logged, with the classes of the tracebacks."""
    caplog.set_level(logging.INFO)
    return lambda: [
        record.exc_info[0] if record.exc_info else f"{record.levelname} {record.getMessage()}"
        for record in caplog.records
    ]


def counted(app, name="hellopod_dependency_failures_total", **labels):
    labels = labels or {"dependency": "database"}
    return app.extensions["metrics_registry"].get_sample_value(name, labels)


# Nothing of a stream is asked for with HEAD.
@pytest.mark.parametrize(
    ("method", "name"),
    [("GET", name) for name in KINDS] + [("HEAD", name) for name in sorted(KINDS.keys() - STREAMS)],
)
def test_is_answered_logged_and_counted_once(fork, lines, method, name):
    KINDS[name](fork)

    response = fork.test_client().open("/orders", method=method)

    assert (response.status_code, response.headers["Retry-After"]) == (503, "7")
    assert response.content_type == "application/problem+json"
    assert response.headers["X-Pod-Name"]
    if method == "GET":
        assert response.get_json()["detail"] == "The database does not answer."
    assert lines() == ["ERROR database fails: DatabaseError: gone"]
    assert counted(fork) == 1
    counters = "flask_http_request_exceptions_total", "flask_http_request_total"
    assert counted(fork, counters[0], method=method, status="500") is None
    if name not in LATE:
        assert counted(fork, counters[1], method=method, status="503") == 1


def test_comes_too_late_behind_the_first_part(fork, lines):
    def parts():
        yield "first"
        fail()

    fork.add_url_rule("/orders", view_func=lambda: Response(parts()))
    response = fork.test_client().get("/orders")

    assert response.status_code == 200
    with pytest.raises(ProtocolError):  # of which the runtime logs nothing
        _ = response.data
    assert lines() == ["ERROR database fails: DatabaseError: gone"]
    assert counted(fork) == 1


@pytest.mark.parametrize("body", [lambda: "all of it", lambda: iter("all of it")])
def test_what_fails_at_the_end_spoils_nothing(fork, lines, body):
    @fork.get("/orders")
    def ask():
        response = Response(body())
        response.call_on_close(fail)
        return response

    response = fork.test_client().get("/orders")
    assert (response.status_code, response.text) == (200, "all of it")
    response.close()
    assert lines() == ["ERROR database fails: DatabaseError: gone"]
    assert counted(fork) == 1


@pytest.mark.parametrize(
    ("mistake", "kind"),
    [
        (after_a_mistake, KeyError),
        (in_circles, StoreError),
        (in_a_circle_of_groups, KeyError),
        (lambda: group(DatabaseError("gone"), KeyError("a mistake")), ExceptionGroup),
    ],
)
def test_mistakes_keep_their_traceback(fork, lines, mistake, kind):
    fork.add_url_rule("/orders", view_func=mistake)

    assert fork.test_client().get("/orders").status_code == 500
    assert lines() == [kind]
    assert counted(fork) == 0
    assert counted(fork, "flask_http_request_exceptions_total", method="GET", status="500") == 1


def test_half_a_body_is_no_outage_of_what_has_oserrors(fork, lines):
    """A client could fake one."""
    fork.extensions["outages"].register("cache", OSError)

    @fork.get("/orders")
    def ask():
        raise StoreError("no order") from IncompleteBody()

    assert fork.test_client().get("/orders").status_code == 500
    assert lines() == [StoreError]


@pytest.mark.parametrize(
    ("url", "logged"),
    [
        ("redis://user:secret@cache:6379/0", "redis://***@cache:6379/0"),
        ("postgresql:///a?password=secret&port=1", "postgresql:///a?password=***&port=1"),
    ],
)
def test_no_password_of_a_url_is_logged(fork, lines, url, logged):
    @fork.get("/orders")
    def ask():
        raise DatabaseError(f"no answer from {url}")

    assert fork.test_client().get("/orders").status_code == 503
    assert lines() == [f"ERROR database fails: DatabaseError: no answer from {logged}"]


@pytest.mark.parametrize("closes", [True, False])
def test_mistakes_in_a_stream_stay(fork, closes):
    """And whoever has opened something for it gets to close it."""
    closed = []

    def parts():
        yield "" if closes else "first"
        raise KeyError("a mistake")

    @fork.get("/orders")
    def ask():
        response = Response(parts())
        response.call_on_close(lambda: closed.append(True))
        return response

    with pytest.raises(KeyError):
        _ = fork.test_client().get("/orders").data
    assert closed == ([True] if closes else [])  # else the server closes it
    assert counted(fork) == 0


def test_answers_of_a_fork_come_first(fork, lines):
    fork.register_error_handler(StoreError, lambda error: ("mine", 502))
    fork.add_url_rule("/orders", view_func=lambda: chain(StoreError("no order")))
    fork.add_url_rule("/teapot", "teapot", view_func=lambda: chain(ImATeapot()))
    client = fork.test_client()

    assert [client.get(path).status_code for path in ("/orders", "/teapot")] == [502, 418]
    assert (lines(), counted(fork)) == ([], 0)


def register(app, kind):
    app.register_error_handler(kind, fail)


def decorate(app, kind):
    app.errorhandler(kind)(fail)


def by_blueprint(app, kind):
    blueprint = Blueprint(f"handlers of {kind!r}".replace(".", " "), __name__)
    blueprint.app_errorhandler(kind)(fail)
    app.register_blueprint(blueprint)


@pytest.mark.parametrize("way", [register, decorate, by_blueprint])
def test_a_later_handler_is_refused(fork, way):
    """It would win without a word: no metric and no line any more."""
    with pytest.raises(ValueError, match="DatabaseError has a handler already: that of 'database'"):
        way(fork, DatabaseError)
    way(fork, StoreError)
    way(fork, 404)

    fork.add_url_rule("/orders", view_func=fail)
    assert fork.test_client().get("/orders").status_code == 503


def test_a_blueprint_may_have_a_handler_of_its_own(fork):
    blueprint = Blueprint("orders", __name__)
    blueprint.register_error_handler(DatabaseError, lambda error: ("mine", 502))
    blueprint.add_url_rule("/orders", view_func=fail)
    fork.register_blueprint(blueprint)

    assert fork.test_client().get("/orders").status_code == 502


def test_what_stands_behind_a_view_is_called_all_the_same(fork, lines):
    ended = []
    fork.add_url_rule("/orders", view_func=lambda: "ok")
    fork.teardown_request(ended.append)

    @fork.after_request
    def allow(response):
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    fork.after_request(fail)  # before the other one, as Flask has it

    @fork.after_request
    def mistaken(response):
        return {}["a mistake"] if response.status_code == 503 else response

    response = fork.test_client().get("/orders")

    assert response.status_code == 503
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert [type(error) for error in ended] == [DatabaseError]  # else it might commit
    assert lines() == ["ERROR database fails: DatabaseError: gone", KeyError]


def test_two_that_fail_one_request(fork, lines):
    fork.extensions["outages"].register("cache", CacheError)
    fork.add_url_rule("/orders", view_func=fail)

    @fork.teardown_request
    def forget(error):
        raise CacheError("full")

    detail = fork.test_client().get("/orders").get_json()["detail"]

    assert detail == "The cache does not answer."
    assert len(lines()) == 2
    assert (counted(fork), counted(fork, dependency="cache")) == (1, 1)


def test_apps_without_any_are_left_alone(app):
    """What is a list stays one, because that costs the least. A stream has not begun."""
    app.add_url_rule("/orders", view_func=lambda: Response({}["a mistake"] for _ in "a"))

    assert type(app.wsgi_app(create_environ("/"), lambda *_: None)) is Body
    app.wsgi_app(create_environ("/orders"), lambda *_: None)
