"""How a response is handed to the runtime."""

from collections.abc import Callable
from typing import Any

from flask import Response


class Body(list[bytes]):
    """The pieces of a response, and what to call after the last."""

    close: Callable[[], None]


class PlainResponse(Response):
    """Flask's own response, sent by a shorter way if it is just a status, headers and bytes."""

    def get_wsgi_response(self, environ: Any) -> Any:
        """Return what to send; skip Werkzeug's work where it would change no header."""
        headers, body = list(self.headers), self.response
        names = [name.lower() for name, _ in headers]
        if (
            "content-length" not in names
            or "location" in names
            or "content-location" in names
            or type(body) is not list
            or self.status_code < 200
            or self.status_code in (204, 304)
            or environ["REQUEST_METHOD"] == "HEAD"
            or len(body) != 1
            or type(body[0]) is not bytes
        ):
            return super().get_wsgi_response(environ)
        pieces = Body(body)
        pieces.close = self.close
        return pieces, self.status, headers
