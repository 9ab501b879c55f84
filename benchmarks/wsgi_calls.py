"""Calls an app without a server: python benchmarks/wsgi_calls.py MODULE:APP NUMBER

From the directory and with the interpreter that the app needs; with hellopod's access log behind
each call if LOGGED is set. For benchmarks.instructions.
"""

import importlib
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from werkzeug.test import create_environ


def access_log() -> Callable[[dict[str, Any]], None]:
    """Return what hellopod does behind a request."""
    from gunicorn.config import Config as GunicornConfig

    from service.config import Config
    from service.logs import GunicornLogger, logging_config

    settings = GunicornConfig()
    settings.set("accesslog", "-")
    settings.set("logconfig_dict", logging_config(Config.from_env(os.environ)))
    logger = GunicornLogger(settings)
    response = SimpleNamespace(status="200 OK", sent=48)
    took = timedelta(milliseconds=1)
    return lambda environ: logger.access(response, SimpleNamespace(path="/"), environ, took)


def main(name: str, number: int) -> None:
    sys.path.insert(0, os.getcwd())
    module, _, attribute = name.partition(":")
    app = getattr(importlib.import_module(module), attribute)
    app = app() if attribute == "create_app" else app
    log = access_log() if os.environ.get("LOGGED") else lambda environ: None
    request = create_environ("/", "http://127.0.0.1:8000")
    for _ in range(number):
        environ = dict(request)
        response = app(environ, lambda *_: None)
        list(response)
        response.close()
        log(environ)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
