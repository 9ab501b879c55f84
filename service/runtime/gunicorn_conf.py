"""gunicorn's settings: `gunicorn --config python:service.runtime.gunicorn_conf`."""

import logging
import os
import sys
from typing import Any

from service.config import Config, SettingError
from service.logs import GunicornLogger, logging_config

try:
    settings = Config.from_env(os.environ)
except SettingError as error:
    sys.exit(f"hellopod: {error}")

wsgi_app = "service:create_app()"
bind = f"0.0.0.0:{settings.port}"

# One process a pod and many threads: replicas do the scaling. Several workers share a listener
# unevenly (gunicorn#3433), and each would have metrics of its own.
workers = 1
worker_class = "gthread"
threads = settings.concurrency
graceful_timeout = settings.graceful_timeout
keepalive = settings.keepalive

# The heartbeat touches a file; on a disk, or where the root is read-only, that stalls or fails.
worker_tmp_dir = "/dev/shm"  # noqa: S108
# It would write a socket into HOME at the start, which fails on a read-only root.
control_socket_disable = True

logger_class = GunicornLogger
logconfig_dict = logging_config(settings)
accesslog = "-"


def on_starting(server: Any) -> None:
    """Log all settings once, before anything can go wrong because of one."""
    logging.captureWarnings(True)
    server.log.info("settings", extra={"settings": settings.public()})
