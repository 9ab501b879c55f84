"""The page that `/` is for a browser: a tile for each pod that answers."""

import secrets

from flask import Response, render_template

from service.identity import Identity
from service.request import current_request


def wanted() -> bool:
    """Whether the client prefers HTML to text. A client that accepts all, as curl, does not."""
    asked = current_request()
    if asked.environ.get("HTTP_ACCEPT") in (None, "*/*"):
        return False  # to ask Werkzeug would take 5 % of a small request's instructions
    preferred: str | None = asked.accept_mimetypes.best_match(["text/plain", "text/html"])
    return preferred == "text/html"


def render(identity: Identity, has_upstreams: bool) -> Response:
    """Return the page. It shows this pod at once; its script finds the others.

    If there are upstreams, it shows the chain too. Script and style are inside the page: in a
    rollout the next request may reach another version.
    """
    nonce = secrets.token_urlsafe(16)  # for one response; service/middleware.py forbids caching
    response = Response(
        render_template("page.html", me=identity, nonce=nonce, has_upstreams=has_upstreams)
    )
    response.content_security_policy = policy(nonce)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def policy(nonce: str) -> str:
    """Return a content security policy for the page.

    It allows the page's own script and style, and requests to this service. The image is the empty
    icon: without it a browser asks for one. https://www.w3.org/TR/CSP3/
    """
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'nonce-{nonce}'",
            f"style-src 'nonce-{nonce}'",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
