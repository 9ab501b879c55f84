"""Responses that no app makes: errors, refusals and probes, as bytes ready to be sent."""

import json
import random
import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from gunicorn import util

from service.http1.head import ProtocolError, Request

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")  # harmless in a log and in a header
# The app's responses get them too: what is true of a pod at this moment is for no cache, and a
# media type is not to be guessed.
DEFAULTS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
PROBLEM = "application/problem+json"
DEFAULT_LINES = "".join(f"{name}: {value}\r\n" for name, value in DEFAULTS.items())
REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Request Entity Too Large",
    414: "URI Too Long",
    417: "Expectation Failed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}


def request_id(fields: dict[str, str], conceal: Callable[[str], str] = str) -> str:
    """Return the id that the client gave if it is harmless, else a new one."""
    given = fields.get("HTTP_X_REQUEST_ID", "")
    if given and REQUEST_ID.fullmatch(given) and conceal(given) == given:
        return given
    return f"{random.getrandbits(128):032x}"  # noqa: S311


# It is the same for all that are answered in a second.
@lru_cache(maxsize=1)
def date_of(second: int) -> str:
    """Return a moment as a Date header has it (RFC 9110, section 5.6.7)."""
    return str(util.http_date(second))


def date() -> str:
    """Return this moment as a Date header has it."""
    return date_of(int(time.time()))


def json_line(value: Any) -> bytes:
    """Return a value as JSON."""
    return json.dumps(value).encode() + b"\n"


@lru_cache(maxsize=32)
def problem_details(status: int, detail: str) -> bytes:
    """Return problem details (RFC 9457) as JSON; without a detail, none."""
    problem = {"type": "about:blank", "title": REASONS[status], "status": status, "detail": detail}
    if not detail:
        del problem["detail"]
    return json_line(problem)


BUSY = problem_details(503, "This pod is busy; try again.")


class Answered:
    """What the access log wants to know of an answer."""

    def __init__(self, answer: bytes) -> None:
        head, _, body = answer.partition(b"\r\n\r\n")
        self.status = head[len("HTTP/1.1 ") : head.find(b"\r\n")].decode()
        self.sent = len(body)


class Answers:
    """Makes responses in the name of one pod; `conceal` stars what nobody should see in them."""

    def __init__(self, pod: str, conceal: Callable[[str], str] = str) -> None:
        self.pod = pod
        self.conceal = conceal
        # Few differ in a second: the loop's answers are refusals, errors, probes and scrapes.
        self._start = lru_cache(maxsize=64)(self._make_start)

    def _make_start(
        self, status: int, length: int, content_type: str, close: bool, second: int
    ) -> str:
        """Return the lines that do not depend on the request."""
        return (
            f"HTTP/1.1 {status} {REASONS[status]}\r\n"
            f"Connection: {'close' if close else 'keep-alive'}\r\n"
            f"Content-Type: {content_type}\r\n"
            f"Content-Length: {length}\r\n"
            f"{DEFAULT_LINES}"
            f"Date: {date_of(second)}\r\n"
            f"X-Pod-Name: {self.pod}\r\n"
        )

    def response(
        self,
        request: Request,
        status: int,
        body: bytes,
        content_type: str,
        *,
        close: bool,
        identity: str = "",
        headers: str = "",
    ) -> bytes:
        """Return a whole response; `identity` is the request's id, if it is known already."""
        start = self._start(status, len(body), content_type, close, int(time.time()))
        identity = identity or request_id(request.fields, self.conceal)
        text = f"{start}X-Request-ID: {identity}\r\n{headers}\r\n".encode("latin-1")
        return text if request.method == "HEAD" else text + body

    def problem(
        self,
        request: Request,
        status: int,
        detail: str = "",
        *,
        close: bool = True,
        identity: str = "",
        headers: str = "",
    ) -> bytes:
        """Return problem details."""
        return self.response(
            request,
            status,
            problem_details(status, detail),
            PROBLEM,
            close=close,
            identity=identity,
            headers=headers,
        )

    def refusal(self, request: Request, *, close: bool) -> bytes:
        """Return the 503 of an overloaded pod; clients come back at different moments."""
        # randint() takes seven times as long.
        headers = f"Retry-After: {1 + int(3 * random.random())}\r\n"  # noqa: S311
        return self.response(request, 503, BUSY, PROBLEM, close=close, headers=headers)

    def error(self, request: Request, error: ProtocolError, identity: str) -> bytes:
        """Return what a request gets that is malformed, or that did not come whole."""
        detail = self.conceal(str(error))[:200]
        return self.problem(request, error.status, detail, identity=identity)
