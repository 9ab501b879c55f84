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
    """Return all that the pod knows about itself, and how it sees the client.

    With ?close the connection ends after the answer, so the next request may reach another pod. It
    is for a script in a browser, which cannot send the header Connection.
    """
    asked = current_request()
    seen = {"remote_addr": asked.remote_addr, "scheme": asked.scheme, "host": asked.host}
    # Look first whether there is a query: parsing an empty one costs as much as any other.
    closes = asked.query_string and "close" in asked.args
    return identity.current().as_dict() | seen, {"Connection": "close"} if closes else {}


@bp.get("/version")
def show_version() -> Response:
    """Return the versions of the image, Python, Flask and gunicorn."""
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

    A cache may keep it, but has to ask each time: the next release may have another contract.
    """
    contract = files("service").joinpath("openapi.yaml").read_bytes()
    response = Response(contract, mimetype="application/yaml")
    response.cache_control.no_cache = True
    response.add_etag()
    response.make_conditional(request)
    if response.status_code == 412:
        abort(412)
    return response
