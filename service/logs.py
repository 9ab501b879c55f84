"""Logs: a record for each request, and where all records go: to stdout, as JSON or as text."""

from datetime import timedelta
from functools import lru_cache
from typing import Any

from gunicorn.glogging import Logger

from service import access, health, metrics
from service.config import Config
from service.formatters import JsonLines, TextLines
from service.streams import STDOUT, Lines, is_terminal

QUIET_PATHS = {metrics.PATH, *health.PATHS}


class GunicornLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's logger with a structured access record.

    Its own access log is a %-format. That escapes quotes only, so it cannot hold JSON.
    """

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """Log a finished request; successful probes and scrapes are not worth a line."""
        status = status_code(resp.status)
        path = access.text(environ.get("PATH_INFO", req.path))
        if path not in QUIET_PATHS or status >= 400:
            access.write(self.access_log, environ, path, status, resp.sent, request_time)


@lru_cache
def status_code(status: Any) -> int:
    """Return the number that a status begins with."""
    return int(str(status).split(maxsplit=1)[0])


def logging_config(config: Config) -> dict[str, Any]:
    """Return the logging.config dictionary for application, gunicorn and access records.

    Every logger is named, with propagate off, because gunicorn merges this over defaults that
    would print each of its records twice.
    """
    level = config.log_level.upper()
    conceal = config.conceal if config.chaos_token else str
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {"()": JsonLines, "pod": config.pod_name, "conceal": conceal},
            "text": {
                "()": TextLines,
                "fmt": "%(asctime)s %(levelname)-7s %(name)s: %(message)s",
                "conceal": conceal,
            },
        },
        "handlers": {
            "stdout": {
                "()": Lines,
                "output": STDOUT,
                "formatter": "text" if is_terminal(STDOUT) else "json",
            }
        },
        "root": {"level": level, "handlers": ["stdout"]},
        "loggers": {
            name: {"level": level, "handlers": ["stdout"], "propagate": False}
            for name in ("gunicorn.error", "gunicorn.access")
        },
    }
