"""Flask's sessions. Without a SECRET_KEY they cost nothing."""

from typing import Any

from flask import Flask
from flask.sessions import NullSession, SecureCookieSessionInterface
from flask.wrappers import Request


class Unavailable(NullSession):
    """The session without a SECRET_KEY, made without a callback for changes: none are allowed."""

    def __init__(self, initial: Any = None) -> None:
        pass


class Sessions(SecureCookieSessionInterface):
    """Flask's sessions; without a SECRET_KEY there is nothing to look for."""

    null_session_class = Unavailable

    def open_session(self, app: Flask, request: Request) -> Any:
        """Open what a request brings."""
        return super().open_session(app, request) if app.secret_key else None
