"""The endpoints with a purpose: replace these with your own service."""

from flask import Blueprint, Response, current_app, jsonify, request
from flask.blueprints import BlueprintSetupState
from werkzeug.routing import Rule

from service import identity, page
from service.config import is_secret

bp = Blueprint("api", __name__)

ECHOED_BYTES = 4096  # enough to recognise a body; an echo must not cost memory
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


@bp.get("/")
def hello() -> Response:
    """Say which pod answers: as text, or in a browser as a page that asks again and again."""
    pod = identity.current().pod
    if page.wanted():
        config = current_app.extensions["config"]
        response = page.render(identity.current(), has_upstreams=bool(config.upstreams))
    else:
        response = Response(f"Hello from container {pod}!\n", mimetype="text/plain")
    response.headers["Vary"] = "Accept"
    return response


@bp.endpoint("echo")
def echo() -> Response:
    """Return what arrived. Credentials are starred, because answers end up in logs and tickets.

    Headers are as the client sent them. TRUSTED_PROXIES has changed none yet. Those with an
    underscore in their names are here too, though the app does not get them.
    """
    body = request.get_data()
    query = request.args.to_dict(flat=False)
    response = jsonify(
        method=request.method,
        path=request.path,
        query={name: ["***"] if is_secret(name) else values for name, values in query.items()},
        headers=[[name, "***" if is_secret(name) else text] for name, text in sent_headers()],
        # Conceal before the cut: it could leave half of a secret at the end.
        body=current_app.extensions["config"].conceal(body)[:ECHOED_BYTES].decode(errors="replace"),
        body_bytes=len(body),
        body_truncated=len(body) > ECHOED_BYTES,
    )
    if request.method == "OPTIONS":
        response.headers["Allow"] = ", ".join(METHODS)
    return response


def sent_headers() -> list[tuple[str, str]]:
    """Return the names and values of the request's headers, as its client sent them."""
    head = request.environ.get("hellopod.head")
    if head is None:  # under another server, and in tests
        return [(name, decode(text)) for name, text in request.headers]
    lines = [line.partition(":") for line in head.split("\r\n")[1:] if line]
    return [(name, decode(text.strip(" \t"))) for name, _, text in lines]


def decode(text: str) -> str:
    """Decode text of the environ: its bytes are there as latin-1. Bad bytes stay visible."""
    return text.encode("latin-1").decode(errors="backslashreplace")


@bp.record
def route_any_method(state: BlueprintSetupState) -> None:
    """Route the echo for every method; Flask's own decorators need a list of them."""
    state.app.url_map.add(Rule("/api/echo", endpoint="echo"))
