"""hellopod: a Flask microservice made for Kubernetes that says which pod answered."""

import os

from flask import Flask

from service import api, correlation, errors, health, identity, metrics
from service.config import Config


def create_app(config: Config | None = None) -> Flask:
    """Build an app with its own metrics registry; raises SettingError on a bad environment."""
    config = config or Config.from_env(os.environ)
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = config.max_content_length
    app.extensions["config"] = config
    app.json.sort_keys = False  # type: ignore[attr-defined]  # as written, which is how one reads it

    correlation.init_app(app)
    metrics.init_app(app)
    identity.init_app(app)
    errors.init_app(app)
    app.register_blueprint(api.bp)
    app.register_blueprint(health.bp)
    return app
