"""hellopod with an app of the tests' own, so that they pass whatever service/api.py says."""

import os

from flask import Blueprint, Flask, Response, jsonify, request
from flask.blueprints import BlueprintSetupState
from werkzeug.routing import Rule

import service
from service.config import Config

bp = Blueprint("api", __name__)


@bp.get("/")
def greet() -> Response:
    """Say hello."""
    return Response("hello\n", mimetype="text/plain")


@bp.endpoint("echo")
def echo() -> Response:
    """Say what arrived, and nothing that could be a secret."""
    return jsonify(method=request.method, body_bytes=len(request.get_data()))


@bp.record
def route_any_method(state: BlueprintSetupState) -> None:
    """Route the echo for every method; Flask's own decorators need a list of them."""
    state.app.url_map.add(Rule("/api/echo", endpoint="echo"))


def create_app(config: Config | None = None) -> Flask:
    """Build it, as service.create_app() builds the one of service/api.py."""
    return service.create_app(config or Config.from_env(os.environ), bp)
