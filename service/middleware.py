"""What every request is known by, and what every response gets: WSGI middleware around the app."""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask

from service.correlation import incoming_trace_headers, parse_traceparent
from service.http1.answers import DEFAULTS, request_id
from service.request import current_request

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication

# For HTML alone, be it the body of a redirect: JSON, text and YAML with nosniff run in no browser.
# A page may use files from where it came; a script or style inside it needs a policy of its own.
HTML_POLICY = (
    "Content-Security-Policy",
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
)
DEFAULT_HEADERS = [(name.lower(), (name, value)) for name, value in DEFAULTS.items()]
OURS = {"x-pod-name", "x-request-id"}


def init_app(app: Flask) -> None:
    """Wrap the app; call this early: hooks run in order, and what wraps it later is outside."""
    app.url_value_preprocessor(note_route)
    config = app.extensions["config"]
    app.wsgi_app = Middleware(app.wsgi_app, config.pod_name, config.conceal)  # type: ignore[assignment]


class Middleware:
    """Notes request id and trace in the environ, and completes the headers of each response.

    It is outside of Flask, so that a response gets them whatever made it: a view, an error handler,
    or a hook of a fork that fails.
    """

    def __init__(self, app: "WSGIApplication", pod: str, conceal: Callable[[str], str]) -> None:
        self.app = app
        self.pod = ("X-Pod-Name", pod)
        self.conceal = conceal

    def __call__(self, environ: dict[str, Any], respond: "StartResponse") -> Iterable[bytes]:
        """Serve a request."""
        # 1. The id, first: every log record from here on has it. The runtime has set it already,
        # and when the request arrived.
        if "hellopod.request_id" not in environ:
            environ["hellopod.request_id"] = request_id(environ, self.conceal)
            environ["hellopod.arrived"] = time.monotonic()
        # 2. The trace: of the span of this request if there is one, else of the caller.
        if "hellopod.trace_headers" in environ or "HTTP_TRACEPARENT" in environ:
            sent = environ.setdefault("hellopod.trace_headers", incoming_trace_headers(environ))
            environ["hellopod.trace"] = parse_traceparent(sent.get("traceparent", ""))

        def start_response(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            # 4. The headers, last. The app's own headers stay, but for the pod's name and the id.
            given = {name.lower(): value for name, value in headers}
            if not OURS.isdisjoint(given):
                headers = [header for header in headers if header[0].lower() not in OURS]
            added = [self.pod, ("X-Request-ID", environ["hellopod.request_id"])]
            for key, default in DEFAULT_HEADERS:
                if key not in given:
                    added.append(default)
            html = given.get("content-type", "").startswith("text/html")
            if html and "content-security-policy" not in given:
                added.append(HTML_POLICY)
            return respond(status, headers + added, *error)

        # 3. The app. It notes the route before it does anything else.
        return self.app(environ, start_response)


def note_route(endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Note the route in the environ, for the access log and the span.

    Flask calls this before all other hooks, so the route is known also where a later one ends the
    request.
    """
    asked = current_request()
    if asked.url_rule is not None:
        asked.environ["hellopod.route"] = asked.url_rule.rule
