"""Headers that tell caches and browsers what to do, where the handler has not told them already."""

from flask import Flask, Response

from service.http1.answers import DEFAULTS

# For HTML alone, be it the body of a redirect: JSON, text and YAML with nosniff run in no browser.
# A page may use files from where it came; a script or style inside it needs a policy of its own.
HTML_POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"


def init_app(app: Flask) -> None:
    """Look at each response. Call this first: what is registered first, Flask runs last."""
    app.after_request(add_defaults)


def add_defaults(response: Response) -> Response:
    """Add what is missing."""
    headers = response.headers
    # One pass: each look-up of a header that is missing costs as much as all of this.
    given = {name.lower(): value for name, value in headers}
    for name, value in DEFAULTS.items():
        if name.lower() not in given:
            headers.add(name, value)
    html = given.get("content-type", "").startswith("text/html")
    if html and "content-security-policy" not in given:
        headers.add("Content-Security-Policy", HTML_POLICY)
    return response
