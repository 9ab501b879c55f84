"""Flask with less work for each request, by methods that Flask and Werkzeug let one override.

Wherever a setting is made that this does not know, it leaves the work to Flask.
tests/process/test_foreign_suites.py runs Flask's own tests on it.
"""

import sys
from collections.abc import Callable
from inspect import CO_COROUTINE
from types import FunctionType, MethodType
from typing import Any

import flask.app
from flask import Flask, Response, request_tearing_down
from flask.globals import request_ctx
from flask.typing import ResponseReturnValue
from flask.wrappers import Request as FlaskRequest
from werkzeug.exceptions import BadHost
from werkzeug.routing import MapAdapter
from werkzeug.urls import uri_to_iri

from service.request import Request, current_request
from service.response import PlainResponse
from service.routing import Adapter, Routes
from service.sessions import Sessions

# What this does in place of Flask.
SHORTER = (
    "create_url_adapter",
    "dispatch_request",
    "do_teardown_request",
    "ensure_sync",
    "preprocess_request",
    "process_response",
)
RAISED = object()  # stands for the exception that is being handled
MOST_HOSTS = 64  # to remember; a service has one or two, and clients may invent any


class Application(Flask):
    """Flask, with a shorter way where all requests of a service are alike."""

    request_class = Request
    url_map_class = Routes
    session_interface = Sessions()

    def __init__(self, *args: Any, **options: Any) -> None:
        self.hosts: dict[tuple[str, str], tuple[str, str]] = {}
        # An agent that watches a service may replace Flask's methods, and has to be called.
        self.plain = not any(map(is_replaced, SHORTER))
        super().__init__(*args, **options)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return a plain function or method as it is; leave all else to Flask."""
        plain = func.__func__ if type(func) is MethodType else func
        if (
            self.plain
            and type(plain) is FunctionType
            and not plain.__code__.co_flags & CO_COROUTINE
            and not plain.__dict__  # where inspect.markcoroutinefunction leaves its mark
        ):
            return func
        return super().ensure_sync(func)

    def create_url_adapter(self, request: FlaskRequest | None) -> MapAdapter | None:
        """Bind the map to a request; look at each host only once."""
        if request is None or not self.plain:
            return super().create_url_adapter(request)
        environ, config, routes = request.environ, self.config, self.url_map
        scheme = environ["wsgi.url_scheme"]
        where = scheme, environ.get("HTTP_HOST", "")
        if (
            not where[1]
            or config["TRUSTED_HOSTS"] is not None
            or config["SERVER_NAME"] is not None
            or request.trusted_hosts is not None
            or routes.host_matching
            or self.subdomain_matching
            or "HTTP_UPGRADE" in environ
            or type(routes) is not Routes
            or scheme not in ("http", "https")
        ):
            return self.bind(request)
        known = self.hosts.get(where)
        if known is None:
            adapter = self.bind(request)
            if len(self.hosts) >= MOST_HOSTS:
                self.hosts.clear()
            self.hosts[where] = known = request.host, adapter.server_name
        request.host, server_name = known
        script_name, path = environ.get("SCRIPT_NAME"), environ.get("PATH_INFO")
        return Adapter(
            routes,
            server_name,
            "/" if script_name is None else decode(script_name),
            routes.default_subdomain or "",
            scheme,
            "/" if path is None else decode(path),
            environ["REQUEST_METHOD"],
            decode(environ.get("QUERY_STRING")),
        )

    def bind(self, request: FlaskRequest) -> MapAdapter:
        """Bind as Flask does, and refuse a host that no URL can have.

        Werkzeug lets some through, such as [:::] and xn--a.b, and its request.url raises for them.
        """
        adapter = super().create_url_adapter(request)
        try:
            uri_to_iri(f"http://{request.host}/")
        except ValueError:
            raise BadHost from None
        return adapter  # type: ignore[return-value]  # None without a request only

    # The next four do what Flask's do, but look the request up only once. A look through Flask's
    # proxy costs as much as all else that they do. tests/service/test_application.py proves them
    # equal.

    def preprocess_request(self) -> ResponseReturnValue | None:
        """Call the hooks before a view, of app and blueprints; return the first answer."""
        if not self.plain:
            return super().preprocess_request()
        asked = current_request()
        names = (None, *reversed(asked.blueprints))
        for name in names:
            for note in self.url_value_preprocessors.get(name, ()):
                note(asked.endpoint, asked.view_args)
        for name in names:
            for before in self.before_request_funcs.get(name, ()):
                answer: ResponseReturnValue | None = self.ensure_sync(before)()
                if answer is not None:
                    return answer
        return None

    def dispatch_request(self) -> ResponseReturnValue:
        """Call the view; leave OPTIONS, and paths without a view, to Flask."""
        asked = current_request()
        if (
            not self.plain
            or asked.url_rule is None
            or asked.routing_exception
            or asked.method == "OPTIONS"
        ):
            return super().dispatch_request()
        view = self.ensure_sync(self.view_functions[asked.url_rule.endpoint])
        answer: ResponseReturnValue = view(**asked.view_args or {})
        return answer

    def process_response(self, response: Response) -> Response:
        """Call the hooks after a view, and save the session; then choose how to send it."""
        if not self.plain:
            return super().process_response(response)
        context = request_ctx._get_current_object()  # type: ignore[attr-defined]
        for after in context._after_request_functions:
            response = self.ensure_sync(after)(response)
        for name in (*context.request.blueprints, None):
            for after in reversed(self.after_request_funcs.get(name, ())):
                response = self.ensure_sync(after)(response)
        sessions = self.session_interface
        if not sessions.is_null_session(context._session):
            sessions.save_session(self, context._session, response)
        if type(response) is Response:  # a class of the fork's own decides by itself
            response.__class__ = PlainResponse
        return response

    def do_teardown_request(self, exc: Any = RAISED) -> None:
        """Call what ends a request."""
        if exc is RAISED:
            exc = sys.exc_info()[1]
        if not self.plain:
            return super().do_teardown_request(exc)
        for name in (*current_request().blueprints, None):
            for teardown in reversed(self.teardown_request_funcs.get(name, ())):
                self.ensure_sync(teardown)(exc)
        request_tearing_down.send(self, _async_wrapper=self.ensure_sync, exc=exc)


def is_replaced(name: str) -> bool:
    """Tell whether a method of Flask is not Flask's own."""
    method = vars(Flask)[name]
    # A proxy, as agents use, may show the attributes of the function that it stands for.
    return type(method) is not FunctionType or method.__globals__ is not vars(flask.app)


def decode(text: Any) -> Any:
    """Decode text of the environ: PEP 3333 hands its bytes over as latin-1. None stays None."""
    if text is None or text.isascii():
        return text
    return text.encode("latin-1").decode(errors="replace")
