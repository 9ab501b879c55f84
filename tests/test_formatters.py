import json
import logging
import sys
from datetime import UTC, datetime, timedelta

from service.formatters import LONGEST_TEXT, LONGEST_TRACEBACK, JsonLines, TextLines

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_application_record_has_the_ids(app, capsys):
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines("pod-1"))
    app.logger.addHandler(handler)
    app.add_url_rule("/log", view_func=lambda: app.logger.error("seen") or "ok")
    headers = {"X-Request-ID": "one", "traceparent": f"00-{TRACE}-{SPAN}-01"}
    app.test_client().get("/log", headers=headers)
    app.logger.removeHandler(handler)

    record = json.loads(capsys.readouterr().err)
    assert datetime.now(UTC) - datetime.fromisoformat(record.pop("time")) < timedelta(minutes=1)
    assert record == {
        "level": "ERROR",
        "logger": app.logger.name,
        "message": "seen",
        "pod": "pod-1",
        "request_id": "one",
        "trace_id": TRACE,
        "span_id": SPAN,
    }


def test_surrogates_and_tracebacks():
    try:
        raise ValueError("the cause" + "\x1b" * 20000 + "\udcff")
    except ValueError:
        record = logging.LogRecord("a", logging.ERROR, "", 1, "m\udc80", (), sys.exc_info())
    line = JsonLines("pod-1").format(record)

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
    line = json.loads(JsonLines("pod-1", **conceal).format(record))

    assert line["message"][-4:] == line["exc_info"][-4:] == "x***"
    text = TextLines("%(message)s", **conceal).format(record)
    assert (text.count("x***"), text.count("secret")) == (2, 0)
