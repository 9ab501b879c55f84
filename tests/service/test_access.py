"""The access record: its line is the same, whether it was a LogRecord on its way or not."""

import json
import logging
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service import access
from service.correlation import Trace
from service.formatters import JsonLines, TextLines, timestamp
from service.streams import Lines

TOKEN = "a-token-for-the-tests"


class Kept:
    """In place of an output."""

    encoding = "utf-8"

    def __init__(self):
        self.lines = []

    def put(self, lines):
        self.lines.append(lines.decode())


def logger(pod="pod-1", conceal=str):
    log = logging.Manager(logging.RootLogger(logging.INFO)).getLogger("gunicorn.access")
    log.propagate = False
    handler = Lines(Kept())
    handler.setFormatter(JsonLines(pod=pod, conceal=conceal))
    log.addHandler(handler)
    return log


def starred(text):
    return text.replace(TOKEN, "***")


def environ(**more):
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": "http",
        "HTTP_HOST": "a",
        "hellopod.request_id": "one",
        "hellopod.trace": None,
        "hellopod.route": "/",
    } | more


def write(log, **more):
    """Log a request; return its line up to the time, or None."""
    kept = log.handlers[0].output.lines
    kept.clear()
    given = environ(**more)
    access.write(log, given, access.text(given["PATH_INFO"]), 200, 48, timedelta(0, 0, 1))
    return kept[0].partition('"time": ')[0] if kept else None


# What a client has control of is latin-1; mostly it is short and plain, and now and then it is not.
texts = st.one_of(
    st.text(st.characters(max_codepoint=127), max_size=20),
    st.text(st.characters(max_codepoint=255), max_size=20),
    st.text(st.characters(codec="utf-8"), max_size=9).map(lambda s: s.encode().decode("latin-1")),
    st.sampled_from(["", TOKEN, f"/{TOKEN}?", '"', "\\", "\x7f", "\x85", "%s", "x" * 513]),
    st.integers(0, 600).map(lambda length: "y" * length),
)
requests = st.fixed_dictionaries(
    {
        "REQUEST_METHOD": st.sampled_from(["GET", "POST", "A!$%&B"]),
        "PATH_INFO": texts.map(lambda text: "/" + text),
        "REMOTE_ADDR": st.sampled_from([None, "127.0.0.1", "fd00::1", ""]),
        "hellopod.request_id": st.sampled_from([None, "0" * 32, "x" * 128]),
        "hellopod.trace": st.sampled_from([None, Trace("0" * 32, "1" * 16)]),
        "hellopod.route": st.one_of(st.none(), st.text(max_size=9), st.just("/api/<int:é>")),
    },
    optional={"HTTP_HOST": texts, "HTTP_USER_AGENT": texts},
)


@settings(max_examples=500, deadline=None)
@given(
    request=requests,
    status=st.integers(100, 999),
    sent=st.integers(0, 2**40),
    took=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=9)),
    conceals=st.booleans(),
    pod=st.sampled_from(["pod-1", 'po"d', TOKEN, "p" * 253]),
)
def test_both_ways_give_the_same_line(request, status, sent, took, conceals, pod):
    log = logger(pod, starred if conceals else str)
    kept = log.handlers[0].output.lines
    given = environ() | request
    what = (given, access.text(given["PATH_INFO"]), status, sent, took)
    access.write(log, *what)
    log.addFilter(lambda record: True)
    access.write(log, *what)

    direct, by_record = (line.rpartition('"time": ') for line in kept)
    assert direct[:2] == by_record[:2]
    record = json.loads("".join(direct))
    assert record["duration"] == round(took.total_seconds(), 6)
    assert abs(datetime.fromisoformat(record["time"]).timestamp() - time.time()) < 60


def test_most_lines_need_no_encoder():
    log = logger()
    handler, formatter = access.only_handler(log)
    formatter.encode = None
    browser = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0"

    assert '"user_agent": "Mozilla/5.0 ' in write(log, HTTP_USER_AGENT=browser)
    assert '"route": null' in write(log, **{"hellopod.route": None})
    assert '"remote_addr": null' in write(log, REMOTE_ADDR=None)
    assert '"trace_id": "0' in write(log, **{"hellopod.trace": Trace("0" * 32, "1" * 16)})


def test_a_request_that_is_not_over_is_logged_with_its_own_ids(app):
    """As whoever logs in a request would be; the one that is logged may be another."""
    log = logger()
    with app.test_request_context(environ_overrides={"hellopod.request_id": "outer"}):
        direct = write(log)
        log.addFilter(lambda record: True)
        assert write(log) == direct
    assert '"request_id": "outer"' in direct


@pytest.fixture
def log():
    return logger()


def test_nobody_else_listens(log):
    assert access.only_handler(log) == (log.handlers[0], log.handlers[0].formatter)


def test_a_filter_sees_records(log):
    """Added at any time, at the logger or at the handler."""
    write(log)
    for filtered in (log, log.handlers[0]):
        seen = []
        filtered.addFilter(seen.append)  # and lets nothing pass
        assert write(log) is None
        filtered.removeFilter(seen.append)
        assert write(log) is not None
        [record] = seen
        assert (record.msg, record.args) == ("%s %s %d", ("GET", "/", 200))
        assert (record.levelname, record.name) == ("INFO", "gunicorn.access")
        assert (record.request_id, record.route, record.bytes) == ("one", "/", 48)


class Seeing(logging.Handler):
    """Keeps records."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def emit(self, record):
        self.seen.append(record)


def test_a_handler_sees_records(log):
    handler = Seeing()
    log.addHandler(handler)
    assert write(log)
    log.removeHandler(handler)
    assert write(log)

    assert [record.getMessage() for record in handler.seen] == ["GET / 200"]


def test_a_handler_of_a_parent_sees_records(log):
    handler = Seeing()
    log.parent = logging.Logger("parent")
    log.parent.addHandler(handler)
    assert write(log)
    log.propagate = True
    assert write(log)

    assert len(handler.seen) == 1


def test_another_handler_in_place_of_ours(log):
    ours = log.handlers[0]
    handler = Seeing()
    log.handlers[:] = [handler]
    access.write(log, environ(), "/", 200, 48, timedelta())
    log.handlers[:] = [type("Theirs", (Lines,), {})(ours.output)]
    log.handlers[0].setFormatter(logging.Formatter("%(status)d"))
    access.write(log, environ(), "/", 200, 48, timedelta())

    assert len(handler.seen) == 1
    assert ours.output.lines == ["200\n"]


@pytest.mark.parametrize("formatter", [TextLines("%(name)s"), logging.Formatter("%(name)s"), None])
def test_another_formatter(log, formatter):
    log.handlers[0].setFormatter(formatter)
    access.write(log, environ(), "/", 200, 48, timedelta())

    assert log.handlers[0].output.lines == ["gunicorn.access\n" if formatter else "GET / 200\n"]


def test_a_formatter_made_from_ours(log):
    class Theirs(JsonLines):
        def add_fields(self, log_data, record, message_dict):
            super().add_fields(log_data, record, message_dict)
            log_data["zone"] = "a"

    log.handlers[0].setFormatter(Theirs(pod="pod-1"))
    access.write(log, environ(), "/", 200, 48, timedelta())

    assert '"zone": "a"' in log.handlers[0].output.lines[0]


def test_a_record_factory_sees_records(log):
    before = logging.getLogRecordFactory()

    def factory(*args, **kwargs):
        record = before(*args, **kwargs)
        record.zone = "a"
        return record

    logging.setLogRecordFactory(factory)
    try:
        seen = write(log)
    finally:
        logging.setLogRecordFactory(before)

    assert '"zone": "a"' in seen
    assert "zone" not in write(log)


@pytest.mark.parametrize("name", sorted(access.NAMES))
def test_a_tool_that_replaces_a_method_sees_records(log, name):
    """Of all loggers, as Sentry's does, or of this one."""
    seen = []

    def replaced(method):
        def call(*args, **kwargs):
            seen.append(args)
            return method(*args, **kwargs)

        return call

    original = getattr(logging.Logger, name)
    setattr(logging.Logger, name, replaced(original))
    try:
        assert write(log)
    finally:
        setattr(logging.Logger, name, original)
    assert len(seen) == 1
    setattr(log, name, replaced(getattr(log, name)))
    assert write(log)
    assert len(seen) == 2
    delattr(log, name)
    assert write(log)
    assert len(seen) == 2


def test_a_logger_of_another_class(log):
    class Theirs(logging.Logger):
        def handle(self, record):
            seen.append(record)

    seen = []
    log.__class__ = Theirs
    assert write(log) is None
    assert len(seen) == 1


def test_levels(log):
    log.handlers[0].setLevel(logging.WARNING)
    assert write(log) is None
    log.handlers[0].setLevel(logging.INFO)
    assert write(log)
    log.setLevel(logging.WARNING)
    assert write(log) is None
    log.setLevel(logging.INFO)
    log.manager.disable = logging.INFO
    log.manager._clear_cache()
    assert write(log) is None
    log.manager.disable = logging.NOTSET
    log.manager._clear_cache()
    assert write(log)
    log.disabled = True
    assert write(log) is None


def test_a_level_of_another_name(log):
    logging.addLevelName(logging.INFO, 'in"fo')
    try:
        direct = write(log)
        log.addFilter(lambda record: True)
        assert write(log) == direct
    finally:
        logging.addLevelName(logging.INFO, "INFO")
    assert json.loads(direct + '"time": 0}')["level"] == 'in"fo'


@settings(deadline=None)
@given(st.one_of(st.floats(-1e6, 4e9), st.integers(0, 2**32).map(float), st.just(time.time())))
def test_timestamp(created):
    assert timestamp(created) == datetime.fromtimestamp(created, UTC).isoformat()


@pytest.mark.parametrize(
    "created", [0.9999995, 0.9999996, 1.0000004, 1.5e9 + 0.9999999, 1e-7, -0.5]
)
def test_timestamp_at_the_edge(created):
    assert timestamp(created) == datetime.fromtimestamp(created, UTC).isoformat()
