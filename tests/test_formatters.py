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
