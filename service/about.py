"""The endpoints about the service itself: its pod, its version, and its contract."""

import platform
from importlib.metadata import version
from importlib.resources import files

from flask import Blueprint, Response, abort, jsonify, request
from flask.typing import ResponseReturnValue

from service import identity
from service.request import current_request

bp = Blueprint("about", __name__)


@bp.get("/api/identity")
def show_identity() -> ResponseReturnValue:
    """Say all that is known about the pod and worker that answer, and how they see the client.

    With ?close the connection ends behind it, and the next request may reach another pod: a page
    cannot ask for that with a header.
    """
    asked = current_request()
    seen = {"remote_addr": asked.remote_addr, "scheme": asked.scheme, "host": asked.host}
    # Werkzeug parses an empty query as thoroughly as any other.
    closes = asked.query_string and "close" in asked.args
    return identity.current().as_dict() | seen, {"Connection": "close"} if closes else {}


@bp.get("/version")
def show_version() -> Response:
    """Say which version of what is running."""
    me = identity.current()
    return jsonify(
        version=me.version,
        revision=me.revision,
        python=platform.python_version(),
        flask=version("flask"),
        gunicorn=version("gunicorn"),
    )


@bp.get("/openapi.yaml")
def openapi() -> Response:
    """Serve the contract; RFC 9512 registers the media type.

    A cache may keep it but has to ask each time: the next release may have another one.
    """
    contract = files("service").joinpath("openapi.yaml").read_bytes()
    response = Response(contract, mimetype="application/yaml")
    response.cache_control.no_cache = True
    response.add_etag()
    response.make_conditional(request)
    if response.status_code == 412:
        abort(412)
    return response
