"""Logs each finished request.

A LogRecord and its way through logger, handler and formatter cost four times as much as the line
itself. So if nothing but our own handler would see the record, only the line is made. It is the
same line both ways.
"""

import logging
import time
from datetime import timedelta
from types import FunctionType
from typing import Any

from flask import has_request_context

from service.formatters import LONGEST_TEXT, JsonLines, ids, timestamp
from service.streams import Lines

# Tools that want to see all records, such as Sentry's, replace one of these.
KIND = logging.Logger
METHODS: list[Any] = [KIND.info, KIND._log, KIND.makeRecord, KIND.handle, KIND.callHandlers]
NAMES = frozenset(method.__name__ for method in METHODS)
# The ASCII characters that JSON escapes. To delete them and compare lengths costs half as much as
# isprintable().
ESCAPED = bytes(range(32)) + b'"\\'
if not all(type(it) is FunctionType and it.__globals__ is vars(logging) for it in METHODS):
    METHODS = []  # a tool has replaced one before this import: always make records


def write(
    log: logging.Logger, environ: dict[str, Any], path: str, status: int, sent: int, took: timedelta
) -> None:
    """Log a finished request."""
    if not log.isEnabledFor(logging.INFO):
        return
    method = environ["REQUEST_METHOD"]
    values = (
        method,
        environ.get("hellopod.route"),
        path,
        status,
        took.total_seconds(),
        sent,
        environ.get("REMOTE_ADDR"),
        environ.get("wsgi.url_scheme"),
        text(environ.get("HTTP_HOST", "")),
        text(environ.get("HTTP_USER_AGENT", "")),
    )
    if only := only_handler(log):
        handler, formatter = only
        head = logging.getLevelName(logging.INFO), log.name, f"{method} {path} {status}"
        created = time.time()
        line = plain_line(formatter, head, environ, values, created)
        if line is None:
            line = formatter.line(*head, fields(environ, values), created)
        handler.write(line)
    else:
        extra = fields(environ, values)
        log.info("%s %s %d", method, path, status, extra=extra, stacklevel=2)


def text(value: str) -> str:
    """Decode text of the environ: PEP 3333 hands its bytes over as latin-1."""
    return value if value.isascii() else value.encode("latin-1", "replace").decode(errors="replace")


def fields(environ: dict[str, Any], values: tuple[Any, ...]) -> dict[str, Any]:
    """Return what a record says beside its message."""
    names = "method route path status duration bytes remote_addr scheme host user_agent".split()
    return ids(environ) | dict(zip(names, values, strict=True))


def only_handler(log: logging.Logger) -> tuple[Lines, JsonLines] | None:
    """Return our handler and formatter, if nothing else can see a record of level INFO."""
    if (
        len(log.handlers) != 1
        or log.filters
        or log.propagate
        or type(log) is not KIND
        or [KIND.info, KIND._log, KIND.makeRecord, KIND.handle, KIND.callHandlers] != METHODS
        or not NAMES.isdisjoint(log.__dict__)
        or logging.getLogRecordFactory() is not logging.LogRecord
    ):
        return None
    handler = log.handlers[0]
    formatter = handler.formatter
    if type(handler) is not Lines or type(formatter) is not JsonLines:
        return None
    return None if handler.filters or handler.level > logging.INFO else (handler, formatter)


def plain_line(
    formatter: JsonLines,
    head: tuple[str, str, str],
    environ: dict[str, Any],
    values: tuple[Any, ...],
    created: float,
) -> str | None:
    """Return the line if there is nothing in it to escape, to conceal or to cut off."""
    level, logger, message = head
    method, route, path, status, duration, sent, address, scheme, host, user_agent = values
    pod, request_id = formatter.pod, environ.get("hellopod.request_id")
    trace_id, span_id = environ.get("hellopod.trace") or ("", "")
    # Method and path are in the message.
    texts = (
        f"{level}{logger}{message}{pod}{request_id}{trace_id}{span_id}"
        f"{route}{address}{scheme}{host}{user_agent}"
    )
    if (
        len(texts) > LONGEST_TEXT
        or not texts.isascii()
        or len(texts.encode().translate(None, ESCAPED)) < len(texts)
        or formatter.conceal(texts) != texts
        or has_request_context()  # the ids are those of its request
    ):
        return None
    trace = f'"trace_id": "{trace_id}", "span_id": "{span_id}", ' if trace_id else ""
    request_id = "null" if request_id is None else f'"{request_id}"'
    route = "null" if route is None else f'"{route}"'
    address = "null" if address is None else f'"{address}"'
    return (
        f'{{"level": "{level}", "logger": "{logger}", "message": "{message}", "pod": "{pod}", '
        f'"request_id": {request_id}, {trace}"method": "{method}", '
        f'"route": {route}, "path": "{path}", "status": {status}, '
        f'"duration": {duration!r}, "bytes": {sent}, "remote_addr": {address}, '
        f'"scheme": "{scheme}", "host": "{host}", "user_agent": "{user_agent}", '
        f'"time": "{timestamp(created)}"}}'
    )
