"""The chain: this pod sends the request to its upstreams, they send it to theirs, and so on."""

import re
import time
from functools import partial
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, current_app, jsonify
from werkzeug.exceptions import HTTPException

from service import amounts, identity
from service.chain_tree import Hop, answered_hop, failed_hop, failed_hops
from service.request import current_request
from service.upstream import Upstream, UpstreamFailed, Upstreams, side_by_side

bp = Blueprint("chain", __name__)

DEPTH = 3  # hops after this one; k8s/overlays/chain has two, and a mistaken third would be seen
MOST_DEPTH = 10
MOST_HOPS = 8  # fewer than MOST_DEPTH: a loop in the chain ends here, whatever depth is asked for
LONGEST_VIA = 2048


class LoopDetected(HTTPException):
    """RFC 5842 section 7.2."""

    code = 508
    description = f"The chain has more than {MOST_HOPS} hops, as in a loop."


@bp.route("/api/chain", methods=["GET", "POST"])
def chain() -> Response:
    """Send the request to each upstream. Return a tree that says who answered at every hop.

    The tree shows a hop that failed; with ?strict the answer is 502.
    """
    asked = current_request()
    depth = amounts.whole("depth", DEPTH, 0, MOST_DEPTH)
    via = asked.headers.get("Via", "")
    if len(via) > LONGEST_VIA or via.count(",") + bool(via) > MOST_HOPS:
        raise LoopDetected
    began, body = time.monotonic(), asked.get_data()
    upstreams: Upstreams = current_app.extensions["upstreams"]
    to_ask = upstreams.of_settings() if depth else []
    if to_ask and not upstreams.time_left():
        abort(504, "No time is left to ask the upstreams.")
    hops = side_by_side([partial(ask, depth - 1, via, body, each) for each in to_ask])
    tree = {
        "upstream": None,
        "pod": identity.current().pod,
        "status": 200,
        "outcome": "ok",
        "seconds": since(began),
        "body_bytes": len(body),
        "upstreams": hops,
    }
    failed = failed_hops(tree)
    if failed and "strict" in asked.args:
        abort(502, f"Failed hops: {', '.join(failed)}.")
    return jsonify(tree)


def ask(depth: int, via: str, body: bytes, upstream: Upstream) -> Hop:
    """Return what an upstream says, or that it failed. Runs in a context of this request."""
    asked = current_request()
    query = [pair for pair in asked.args.items(multi=True) if pair[0] not in ("depth", "strict")]
    path = "/api/chain?" + urlencode([*query, ("depth", str(depth))])
    pod = re.sub("[^A-Za-z0-9._-]", "-", identity.current().pod)
    headers = {"Via": f"{via}, 1.1 {pod}".removeprefix(", ")}
    if body and asked.content_type:
        headers["Content-Type"] = asked.content_type
    method = "GET" if asked.method == "HEAD" else asked.method  # ?strict needs the tree
    began = time.monotonic()
    try:
        answer = upstream.request(method, path, headers=headers, body=body or None)
    except UpstreamFailed as failed:
        return failed_hop(upstream.name, failed, since(began))
    return answered_hop(upstream.name, answer, since(began), depth)


def since(began: float) -> float:
    """Return the seconds since a moment of time.monotonic(), to the microsecond."""
    return round(time.monotonic() - began, 6)
