"""hellopod: a Flask microservice made for Kubernetes that says which pod answered."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Blueprint, Flask

    from service.config import Config


def create_app(config: "Config | None" = None, endpoints: "Blueprint | None" = None) -> "Flask":
    """Build an app with its own metrics registry; raises SettingError on a bad environment.

    `endpoints` are what the service is for: those of service/api.py if there are no others.
    """
    # Here and not above: gunicorn's master imports this package before it handles signals, and as
    # PID 1 it would miss a SIGTERM for as long as importing Flask takes.
    from service.factory import build

    return build(config, endpoints)
