"""Faults on demand, to see how a cluster reacts: /chaos/..., for holders of CHAOS_TOKEN.

The path and the query name the fault. Faults spare probes, metrics, identity and these endpoints;
/chaos/readiness alone switches the readiness.
"""

import hmac

from flask import Blueprint, Flask, Response, current_app, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from service.chaos import pod_faults, request_faults

bp = Blueprint("chaos", __name__, url_prefix="/chaos")
bp.register_blueprint(request_faults.bp)
bp.register_blueprint(pod_faults.bp)

REALM = "hellopod chaos"  # with a space: werkzeug then quotes it, as RFC 9110 section 11.5 demands


def init_app(app: Flask) -> None:
    """Add the endpoints; without a token there are none."""
    if app.extensions["config"].chaos_token:
        app.register_blueprint(bp)
        app.before_request(pod_faults.fail_some)
        app.after_request(conceal_token)


@bp.before_request
def authenticate() -> None:
    """Let in holders of the token. To compare takes as long for a good guess as for a bad one."""
    sent = request.authorization
    given = sent.token or "" if sent and sent.type == "bearer" else ""
    if not hmac.compare_digest(
        given.encode(), current_app.extensions["config"].chaos_token.encode()
    ):
        why = {"error": "invalid_token"} if given else {}  # RFC 6750 section 3.1
        raise Unauthorized(
            "This needs the chaos token.",
            www_authenticate=WWWAuthenticate("bearer", {"realm": REALM, **why}),
        )


def conceal_token(response: Response) -> Response:
    """Star the token in what an answer repeats of a request: answers end up in logs and tickets."""
    if not response.is_streamed:
        response.data = current_app.extensions["config"].conceal(response.data)
    return response
