import json
import logging
import sys
from datetime import UTC, datetime, timedelta

from service.formatters import LONGEST_TEXT, LONGEST_TRACEBACK, JsonLines, TextLines

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_application_record_has_the_ids(app, capsys):
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(pod="pod-1"))
    app.logger.addHandler(handler)
    app.add_url_rule("/log", view_func=lambda: app.logger.error("seen") or "ok")
    headers = {"X-Request-ID": "one", "traceparent": f"00-{TRACE}-{SPAN}-01"}
    app.test_client().get("/log", headers=headers)
    app.logger.removeHandler(handler)

    record = json.loads(capsys.readouterr().err)
    written = datetime.fromisoformat(record.pop("time"))
    assert abs(datetime.now(UTC) - written) < timedelta(minutes=1)
    assert record == {
        "level": "ERROR",
        "logger": app.logger.name,
        "message": "seen",
        "pod": "pod-1",
        "request_id": "one",
        "trace_id": TRACE,
        "span_id": SPAN,
    }


def json_line(message, **extra):
    record = logging.makeLogRecord({"name": "a", "levelname": "INFO", "msg": message, **extra})
    return json.loads(JsonLines(pod="pod-1").format(record))


def test_fields_of_others():
    """Also what plain JSON does not have; and nobody is to see what is private."""
    born = datetime(2026, 1, 2, tzinfo=UTC)
    line = json_line("seen", born=born, kinds={1}, time="mine", _cache={(1, 2): 3})

    assert (line["born"], line["kinds"]) == ("2026-01-02T00:00:00+00:00", "{1}")
    assert "_cache" not in line
    assert line["time"] != "mine"


def test_message_that_is_a_dict():
    line = json_line({"name": "other", "size": 3})

    assert (line["message"], line["logger"]) == ("", "a")
    assert (line["name"], line["size"]) == ("other", 3)


def test_stack():
    assert "in test_stack" in json_line("seen", stack_info="in test_stack")["stack_info"]


def test_surrogates_and_tracebacks():
    try:
        raise ValueError("the cause" + "\x1b" * 20000 + "\udcff")
    except ValueError:
        record = logging.LogRecord("a", logging.ERROR, "", 1, "m\udc80", (), sys.exc_info())
    line = JsonLines(pod="pod-1").format(record)

    line.encode()  # strict
    assert json.loads(line)["message"] == "m?"
    assert len(line.encode()) < 16 * 1024


def test_text_stays_on_its_line():
    record = logging.LogRecord("a", logging.INFO, "", 1, "GET /\x1b[31m\x9b\r\n", (), None)

    assert TextLines("%(message)s").format(record) == r"GET /\x1b[31m\x9b\r\n"


def test_a_secret_is_starred_before_half_of_it_is_cut_off():
    try:
        raise ValueError("x" * (LONGEST_TRACEBACK - 3) + "secret")
    except ValueError:
        text = "x" * (LONGEST_TEXT - 3) + "secret"
        record = logging.LogRecord("a", logging.ERROR, "", 1, text, (), sys.exc_info())
    conceal = {"conceal": lambda text: text.replace("secret", "***")}
    line = json.loads(JsonLines(pod="pod-1", **conceal).format(record))

    assert line["message"][-4:] == line["exc_info"][-4:] == "x***"
    text = TextLines("%(message)s", **conceal).format(record)
    assert (text.count("x***"), text.count("secret")) == (2, 0)


class Unshown:
    """Raises whatever is asked of it."""

    def __repr__(self):
        raise RuntimeError("no")


def test_values_without_json_are_shown():
    """The field alone: what else the record says is there."""
    circular = []
    circular.append(circular)
    fields = {"pairs": {(1, 2): 3}, "ratio": float("nan"), "circular": circular, "half": "\ud800"}
    line = json_line("seen", fine=[1], **fields, unshown={(1,): Unshown()})

    assert (line["message"], line["fine"]) == ("seen", [1])
    assert (line["pairs"], line["ratio"], line["half"]) == ("{(1, 2): 3}", "nan", "?")
    assert line["circular"] == "[[...]]"
    assert line["unshown"].startswith("<dict object at ")


def test_a_secret_in_what_is_shown_is_starred():
    record = logging.makeLogRecord({"msg": "seen", "pairs": {(1, 2): "secret"}})
    formatter = JsonLines(pod="pod-1", conceal=lambda text: text.replace("secret", "***"))

    assert json.loads(formatter.format(record))["pairs"] == "{(1, 2): '***'}"


def test_a_message_with_keys_that_are_no_text():
    line = json_line({(1, 2): 3, 4: 5, None: 6})

    assert (line["(1, 2)"], line["4"], line["None"]) == (3, 5, 6)


def test_a_record_with_a_mistake_is_logged_with_it():
    """The standard library tells stderr, in twenty lines, and the record is lost."""
    for mistake in ({"msg": "%d", "args": ("x",)}, {"msg": "%s", "args": (Unshown(),)}):
        record = logging.LogRecord("a", logging.INFO, "", 1, exc_info=None, **mistake)
        line = json.loads(JsonLines(pod="pod-1").format(record))
        assert (line["level"], line["logger"]) == ("INFO", "a")
        assert line["message"].startswith("a record that cannot be formatted: '%")
        assert line["exc_info"].startswith("Traceback ")
        assert datetime.fromisoformat(line["time"]).timestamp() == round(record.created, 6)
        text = TextLines("%(name)s %(message)s").format(record)
        assert text.startswith("a a record that cannot be formatted: '%")


def test_a_field_whose_name_is_no_text():
    record = logging.makeLogRecord({"msg": "seen"})
    vars(record)[1, 2] = 3

    assert "'seen'" in json.loads(JsonLines(pod="pod-1").format(record))["message"]
