"""How a log record becomes a line: one JSON object, or plain text for a terminal."""

from collections.abc import Callable
from datetime import UTC, datetime
from logging import Formatter, LogRecord
from typing import Any

from flask import has_request_context, request
from pythonjsonlogger.core import BaseJsonFormatter
from pythonjsonlogger.json import JsonEncoder

# A container runtime cuts lines at 16 KiB (the CRI log format), and half an object is no JSON. A
# character takes at most 6 bytes (\u001b), so this leaves room for several long fields.
LONGEST_TEXT = 512
LONGEST_TRACEBACK = 2048


class JsonLines(BaseJsonFormatter):
    """Valid JSON in valid UTF-8 whatever a client sent, with the ids of the request it is about.

    `conceal` stars what must not be logged, wherever it stands.
    """

    def __init__(self, *, pod: str, conceal: Callable[[str], str] = str) -> None:
        super().__init__()
        self.pod = pod
        self.conceal = conceal
        # Once, not for each record. With the fields named below instead of by the library's
        # options, 2 % of a small request's instructions less.
        self.encode = JsonEncoder(ensure_ascii=False).encode

    def add_fields(
        self, log_data: dict[str, Any], record: LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Name the fields; those of others with an underscore are private."""
        log_data |= {"level": record.levelname, "logger": record.name, "message": record.message}
        log_data["pod"] = self.pod
        log_data |= message_dict  # traceback, stack, and a message that is a dict
        for key, value in vars(record).items():
            if key not in self.reserved_attrs and not key.startswith("_"):
                log_data[key] = value
        log_data["time"] = datetime.fromtimestamp(record.created, UTC).isoformat()

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Add the request's ids and bound all texts."""
        if has_request_context():
            log_data |= ids(request.environ)
        for key, value in log_data.items():
            if isinstance(value, str):
                log_data[key] = value = self.conceal(value)  # before half of it is cut off
            if key == "exc_info":
                log_data[key] = value[-LONGEST_TRACEBACK:]  # the cause stands at the end
            elif isinstance(value, str) and len(value) > LONGEST_TEXT:
                log_data[key] = value[:LONGEST_TEXT] + "..."
        return log_data

    def serialize_log_record(self, log_data: dict[str, Any]) -> str:
        """Replace lone surrogates, which no UTF-8 text can hold."""
        return self.encode(log_data).encode(errors="replace").decode()


class TextLines(Formatter):
    """One readable line a record; the settings, which JSON holds in a field, behind the message.

    `conceal` as above.
    """

    def __init__(self, *args: Any, conceal: Callable[[str], str] = str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.conceal = conceal

    def format(self, record: LogRecord) -> str:
        """Leave no secret in the line or in its traceback."""
        return self.conceal(super().format(record))

    def formatMessage(self, record: LogRecord) -> str:  # noqa: N802
        """Keep a record on its line, and a client's escape sequences from the terminal."""
        settings = getattr(record, "settings", {})
        line = " ".join([super().formatMessage(record), *(f"{k}={v}" for k, v in settings.items())])
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def ids(environ: dict[str, Any]) -> dict[str, Any]:
    """Return request id, trace id and span id as far as the environ has them."""
    found = {"request_id": environ.get("hellopod.request_id")}
    if trace := environ.get("hellopod.trace"):
        found |= trace._asdict()
    return found
