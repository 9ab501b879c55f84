"""Liveness and readiness. Neither looks at a dependency: its outage is not cured by a restart."""

from flask import Blueprint, Response, jsonify

bp = Blueprint("health", __name__)

PATHS = ("/healthz", "/readyz")


@bp.get("/healthz")
def live() -> Response:
    """Answer whenever the process makes progress."""
    return jsonify(status="ok")


@bp.get("/readyz")
def ready() -> Response:
    """Answer once the app is built, which is when its routes exist."""
    return jsonify(status="ready")
