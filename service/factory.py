"""Builds the app from its parts.

gunicorn's master imports this module before the worker is forked, so that the worker shares its
memory. So no import here may start a thread, open a file or connect. service/api.py is imported
later, in the worker.
"""

import os

from flask import Blueprint, Flask

from service import (
    about,
    chain,
    chaos,
    closing,
    dependencies,
    errors,
    health,
    identity,
    metrics,
    middleware,
    otel_settings,
    outages,
    proxy,
    upstream,
)
from service.application import Application
from service.config import Config


def build(config: Config | None = None, endpoints: Blueprint | None = None) -> Flask:
    """Build an app; see service.create_app."""
    config = config or Config.from_env(os.environ)
    app = Application("service", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = config.max_content_length
    app.extensions["config"] = config
    app.json.sort_keys = False  # type: ignore[attr-defined]  # people read them as written

    closing.init_app(app)
    metrics.init_app(app)
    outages.init_app(app)  # innermost: its answers too get what every response gets
    middleware.init_app(app)
    identity.init_app(app)
    errors.init_app(app)
    dependencies.init_app(app)
    upstream.init_app(app)
    app.register_blueprint(about.bp)
    if endpoints is None:
        from service import api  # not above: others need no more than those they bring

        endpoints = api.bp
    app.register_blueprint(endpoints)
    app.register_blueprint(chain.bp)
    health.init_app(app)
    chaos.init_app(app)
    if config.otel_exporter_otlp_endpoint:
        otel_settings.check(os.environ)  # not after: some are read while the SDK is imported
        from service import tracing  # not above: the packages it needs are an extra

        tracing.init_app(app)
    proxy.init_app(app)  # outermost: spans too are the client's
    return app
