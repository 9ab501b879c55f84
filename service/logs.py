"""Logs: one JSON object a line on stdout, plain text when stdout is a terminal."""

import logging
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask import has_request_context, request
from gunicorn.glogging import Logger
from pythonjsonlogger.json import JsonFormatter

from service import health, metrics
from service.config import Config

# A container runtime cuts lines at 16 KiB (the CRI log format), and half an object is no JSON. A
# character takes at most 6 bytes (\u001b), so this leaves room for several long fields.
LONGEST_TEXT = 512
LONGEST_TRACEBACK = 2048

QUIET_PATHS = {metrics.PATH, *health.PATHS}


class JsonLines(JsonFormatter):
    """Valid JSON in valid UTF-8 whatever a client sent, with the ids of the request it is about.

    `conceal` stars what must not be logged, wherever it stands.
    """

    def __init__(self, *args: Any, conceal: Callable[[str], str] = str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.conceal = conceal

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
        return super().serialize_log_record(log_data).encode(errors="replace").decode()


class TextLines(logging.Formatter):
    """One readable line a record; the settings, which JSON holds in a field, behind the message.

    `conceal` as above.
    """

    def __init__(self, *args: Any, conceal: Callable[[str], str] = str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.conceal = conceal

    def format(self, record: logging.LogRecord) -> str:
        """Leave no secret in the line or in its traceback."""
        return self.conceal(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Keep a record on its line, and a client's escape sequences from the terminal."""
        settings = getattr(record, "settings", {})
        line = " ".join([super().formatMessage(record), *(f"{k}={v}" for k, v in settings.items())])
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


class GunicornLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's logger with a structured access record.

    Its own access log is a %-format, which escapes quotes only and so cannot hold JSON.
    """

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """Log a finished request; successful probes and scrapes are not worth a line."""
        status = int(str(resp.status).split(maxsplit=1)[0])
        path = text(environ.get("PATH_INFO", req.path))
        if path in QUIET_PATHS and status < 400:
            return
        method = environ["REQUEST_METHOD"]
        self.access_log.info(
            "%s %s %d",
            method,
            path,
            status,
            extra=ids(environ)
            | {
                "method": method,
                "route": environ.get("hellopod.route"),
                "path": path,
                "status": status,
                "duration": round(request_time.total_seconds(), 6),
                "bytes": resp.sent,
                "remote_addr": environ.get("REMOTE_ADDR"),
                "scheme": environ.get("wsgi.url_scheme"),
                "host": text(environ.get("HTTP_HOST", "")),
                "user_agent": text(environ.get("HTTP_USER_AGENT", "")),
            },
        )


def ids(environ: dict[str, Any]) -> dict[str, Any]:
    """Return request id, trace id and span id as far as the environ has them."""
    found = {"request_id": environ.get("hellopod.request_id")}
    if trace := environ.get("hellopod.trace"):
        found |= trace._asdict()
    return found


def text(value: str) -> str:
    """Decode what PEP 3333 hands over as bytes dressed as latin-1."""
    return value.encode("latin-1", "replace").decode(errors="replace")


def logging_config(config: Config) -> dict[str, Any]:
    """Return the logging.config dictionary for application, gunicorn and access records.

    Every logger is named, with propagate off, because gunicorn merges this over defaults that
    would print each of its records twice.
    """
    level = config.log_level.upper()
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": JsonLines,
                "fmt": ["levelname", "name", "message"],
                "rename_fields": {"levelname": "level", "name": "logger"},
                "static_fields": {"pod": config.pod_name},
                "timestamp": "time",
                "json_ensure_ascii": False,
                "conceal": config.conceal,
            },
            "text": {
                "()": TextLines,
                "fmt": "%(asctime)s %(levelname)-7s %(name)s: %(message)s",
                "conceal": config.conceal,
            },
        },
        "handlers": {
            "stdout": {
                "class": "service.output.Lines",
                "stream": "ext://sys.stdout",
                "formatter": "text" if sys.stdout.isatty() else "json",
            }
        },
        "root": {"level": level, "handlers": ["stdout"]},
        "loggers": {
            name: {"level": level, "handlers": ["stdout"], "propagate": False}
            for name in ("gunicorn.error", "gunicorn.access")
        },
    }
