"""Liveness and readiness. Liveness looks at no dependency: a restart does not cure its outage.

Under gunicorn the runtime answers both before Flask does. These views answer under other servers.
"""

from flask import Blueprint, Flask, Response, abort, current_app, jsonify

from service.readiness import not_ready
from service.state import PodState

bp = Blueprint("health", __name__)

PATHS = ("/healthz", "/readyz")


def init_app(app: Flask) -> None:
    """Add the probes and a state. service/gunicorn_conf.py puts the pod's state in its place."""
    app.extensions["pod_state"] = PodState()
    app.register_blueprint(bp)


@bp.get("/healthz")
def live() -> Response:
    """Answer whenever the process makes progress."""
    return jsonify(status="ok")


@bp.get("/readyz")
def ready() -> Response:
    """Answer once the app is built, unless it is draining, switched off or lacks a dependency."""
    extensions = current_app.extensions
    if why := not_ready(extensions["pod_state"], extensions["dependencies"]):
        missing = why.get("for")
        abort(
            503, f"Without {', '.join(missing)}." if missing else f"{why['status']}.".capitalize()
        )
    return jsonify(status="ready")
