"""gunicorn's settings for hellopod's app, with its log, on gunicorn's own worker: what is left of
service/gunicorn_conf.py without the runtime."""

import os

from service.config import Config
from service.logs import GunicornLogger, logging_config

wsgi_app = "service:create_app()"
worker_class = "gthread"
logger_class = GunicornLogger
logconfig_dict = logging_config(Config.from_env(os.environ))
accesslog = "-"
