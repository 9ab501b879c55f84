"""Responses that no app makes: errors, refusals and probes, as bytes ready to be sent."""

import json
import os
import random
import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from gunicorn import util

# As service/correlation.py: harmless in a log and in a header.
REQUEST_ID = re.compile(rb"\r\nx-request-id:[ \t]*([A-Za-z0-9._-]{1,128})[ \t]*\r\n", re.I)
# service/headers.py gives them to the app's responses too: what is true of a pod at this moment is
# for no cache, and a media type is not to be guessed.
DEFAULTS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
DEFAULT_LINES = "".join(f"{name}: {value}\r\n" for name, value in DEFAULTS.items())
TITLES = {
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    501: "Not Implemented",
    503: "Service Unavailable",
}


def request_id(head: bytes | bytearray, conceal: Callable[[str], str] = str) -> str:
    """Return the id that the client gave if it is harmless, else a new one."""
    given = REQUEST_ID.search(head, 0, head.find(b"\r\n\r\n") + 2)
    found = given[1].decode() if given else ""
    return found if found and conceal(found) == found else os.urandom(16).hex()


# A tenth of a refusal's CPU time: both are the same for all that are refused in a second.
@lru_cache(maxsize=1)
def date(second: int) -> str:
    """Return a moment as a Date header has it (RFC 9110, section 5.6.7)."""
    return str(util.http_date(second))


@lru_cache(maxsize=32)
def problem_details(status: int, title: str, detail: str) -> bytes:
    """Return problem details (RFC 9457) as JSON; without a detail, none."""
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if not detail:
        del problem["detail"]
    return json.dumps(problem).encode() + b"\n"


class Answers:
    """Makes responses in the name of one pod; `conceal` stars what nobody should see in them."""

    def __init__(self, pod: str, conceal: Callable[[str], str] = str) -> None:
        self.pod = pod
        self.conceal = conceal

    def response(
        self,
        status: int,
        reason: str,
        body: bytes,
        content_type: str,
        *,
        close: bool,
        head: bytes | bytearray = b"",
        headers: str = "",
    ) -> bytes:
        """Return a whole response to the request that starts with `head`."""
        text = (
            f"HTTP/1.1 {status} {reason}\r\n"
            f"Date: {date(int(time.time()))}\r\n"
            f"Connection: {'close' if close else 'keep-alive'}\r\n"
            f"Content-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\n"
            f"X-Pod-Name: {self.pod}\r\n"
            f"X-Request-ID: {request_id(head, self.conceal)}\r\n"
            f"{DEFAULT_LINES}"
            f"{headers}\r\n"
        ).encode("latin-1")
        return text if head.startswith(b"HEAD ") else text + body

    def json(self, status: int, value: Any, *, close: bool, head: bytes | bytearray) -> bytes:
        """Return JSON, for probes."""
        reason = TITLES.get(status, "OK")
        body = json.dumps(value).encode() + b"\n"
        return self.response(status, reason, body, "application/json", close=close, head=head)

    def problem(
        self,
        status: int,
        detail: str,
        *,
        title: str = "",
        close: bool = True,
        head: bytes | bytearray = b"",
        headers: str = "",
    ) -> bytes:
        """Return problem details."""
        title = title or TITLES[status]
        body = problem_details(status, title, detail)
        kind = "application/problem+json"
        return self.response(status, title, body, kind, close=close, head=head, headers=headers)

    def refusal(self, head: bytes | bytearray, *, close: bool) -> bytes:
        """Return the 503 of an overloaded pod; clients come back at different moments."""
        headers = f"Retry-After: {random.randint(1, 3)}\r\n"  # noqa: S311
        detail = "This pod is busy; try again."
        return self.problem(503, detail, close=close, head=head, headers=headers)

    def timeout(self, head: bytes | bytearray) -> bytes:
        """Return the 408 for a request that did not arrive in time."""
        return self.problem(408, "The request did not arrive in time.", head=head)
