"""The page that `/` is for a browser: a tile for each pod that answers."""

import secrets

from flask import Response, render_template

from service.identity import Identity
from service.request import current_request


def wanted() -> bool:
    """Whether the client prefers HTML to text. What accepts everything, such as curl, does not."""
    asked = current_request()
    if asked.environ.get("HTTP_ACCEPT") in (None, "*/*"):
        return False  # Werkzeug takes 5 % of a small request's instructions to find that out
    preferred: str | None = asked.accept_mimetypes.best_match(["text/plain", "text/html"])
    return preferred == "text/html"


def render(identity: Identity, has_upstreams: bool) -> Response:
    """Return the page. It shows one identity by itself, and all others with its script.

    Where there are upstreams it shows the chain, too.

    Script and style are part of it: in a rollout the next request may reach another version.
    """
    nonce = secrets.token_urlsafe(16)  # for one response; service/middleware.py forbids caching
    response = Response(
        render_template("page.html", me=identity, nonce=nonce, has_upstreams=has_upstreams)
    )
    response.content_security_policy = policy(nonce)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def policy(nonce: str) -> str:
    """Return a content security policy: what this response brings, and asking where it came from.

    https://www.w3.org/TR/CSP3/; the image is the empty icon: without it a browser asks for one.
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
