"""Faults on demand, to see what a cluster does about them: /chaos/..., for who has CHAOS_TOKEN.

What to do stands in the path and the query, of a GET or a POST. Probes, metrics and identity are
not touched, but for the readiness that /chaos/readiness switches.
"""

import hmac
import re
import time
from collections.abc import Iterator
from typing import NoReturn

from flask import Blueprint, Flask, Response, abort, current_app, jsonify, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import HTTPException, Unauthorized

bp = Blueprint("chaos", __name__, url_prefix="/chaos")

METHODS = ["GET", "POST"]
REALM = "hellopod chaos"  # with a space: werkzeug then quotes it, as RFC 9110 section 11.5 demands
NAP = 1.0  # seconds: a sleeping thread looks this often whether it is time
SHORTEST_INTERVAL = 0.01  # seconds: bounds the chunks of a stream by its time
CHUNK = b"." * 63 + b"\n"


def init_app(app: Flask) -> None:
    """Add the endpoints; without a token there are none."""
    if app.extensions["config"].chaos_token:
        app.register_blueprint(bp)
        app.after_request(conceal_token)


@bp.before_request
def authenticate() -> None:
    """Let in who has the token. The comparison takes as long for a good guess as for a bad one."""
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


@bp.route("/wait", methods=METHODS)
def wait() -> Response:
    """Answer after some seconds, like a handler that waits for somebody else."""
    amount = seconds(default=1.0)
    time.sleep(amount)
    return jsonify(waited=amount)


@bp.route("/cpu", methods=METHODS)
def cpu() -> Response:
    """Answer when this thread has computed for some seconds of CPU time."""
    amount = seconds(default=0.1)
    end = time.thread_time() + amount
    while time.thread_time() < end:
        sum(range(1000))
    return jsonify(burned=amount)


@bp.route("/hang", methods=METHODS)
def hang() -> Response:
    """Do nothing and answer nothing, for as long as is allowed unless told otherwise."""
    amount = seconds(default=limit())
    end = time.monotonic() + amount
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, NAP))
    return jsonify(hung=amount)


@bp.route("/stream", methods=METHODS)
def stream() -> Response:
    """Send chunks, with an interval between each two."""
    interval = number("interval", 0.1, SHORTEST_INTERVAL, limit())
    chunks = whole("chunks", 10, 1, 1 + int(limit() / interval))

    def generate() -> Iterator[bytes]:
        for left in range(chunks, 0, -1):
            yield CHUNK
            time.sleep(interval if left > 1 else 0)

    return Response(generate(), mimetype="text/plain")


@bp.route("/status/<code>", methods=METHODS)
def status(code: str) -> Response:
    """Answer with a status code; from 400 on with problem details, as any error."""
    if not re.fullmatch("[2-5][0-9]{2}", code):
        refuse("code", code, "a status code from 200 to 599")
    if int(code) < 400:
        return Response(status=int(code))
    error = HTTPException("As asked for.")
    error.code = int(code)
    raise error


@bp.route("/readiness/<state>", methods=METHODS)
def readiness(state: str) -> Response:
    """Switch the readiness of the whole pod off, and on again; a new worker finds it as it was."""
    if state not in ("on", "off"):
        refuse("state", state, "on or off")
    current_app.extensions["pod_state"].switched_off = state == "off"
    return jsonify(readiness=state)


def limit() -> float:
    """Return the most seconds that anything here may take."""
    most: float = current_app.extensions["config"].chaos_max_seconds
    return most


def seconds(default: float) -> float:
    """Return the seconds that were asked for."""
    return number("seconds", min(default, limit()), 0, limit())


def number(name: str, default: float, low: float, high: float) -> float:
    """Return a number from the query, within bounds."""
    text = request.args.get(name, str(default))
    if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text) and low <= float(text) <= high:
        return float(text)
    refuse(name, text, f"a number from {low:g} to {high:g}")


def whole(name: str, default: int, low: int, high: int) -> int:
    """Return a whole number from the query, within bounds."""
    text = request.args.get(name, str(default))
    if re.fullmatch("[0-9]{1,9}", text) and low <= int(text) <= high:
        return int(text)
    refuse(name, text, f"a whole number from {low} to {high}")


def refuse(name: str, text: str, allowed: str) -> NoReturn:
    """Answer 422 and say what is allowed."""
    text = current_app.extensions["config"].conceal(text)  # whole, before it is cut
    abort(422, f"{name}={ascii(text[:80])} is not allowed: {allowed}")
