"""Logs: a record for each request, and where all records go: to stdout, as JSON or as text."""

from datetime import timedelta
from typing import Any

from gunicorn.glogging import Logger

from service import health, metrics
from service.config import Config
from service.formatters import JsonLines, TextLines, ids
from service.streams import STDOUT, Lines, is_terminal

QUIET_PATHS = {metrics.PATH, *health.PATHS}


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


def text(value: str) -> str:
    """Decode what PEP 3333 hands over as bytes dressed as latin-1."""
    return value.encode("latin-1", "replace").decode(errors="replace")


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
