"""What comes of a call: an answer, or a failure that is an answer to our own client."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.exceptions import HTTPException

# What a call can end with, and the status that our own client gets for it.
STATUS_OF = {
    "ok": 200,
    "connect": 502,  # no connection, or no name, or no TLS
    "broken": 502,  # the connection ended early, or what came is not HTTP
    "error": 502,  # the answer has a status of 5xx
    "redirect": 502,
    "too_large": 502,
    "unavailable": 503,  # the answer has the status 503 or 429
    "full": 503,  # the bulkhead has no room: the upstream was not asked
    "timeout": 504,
    "expired": 504,  # nothing is left of the budget: the upstream was not asked
}


@dataclass(frozen=True)
class Answer:
    """The answer of an upstream; header names in lower case."""

    upstream: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Parse the body; raises UpstreamFailed if it is no JSON, as the words NaN and Infinity."""
        try:
            return json.loads(self.body, parse_constant=refuse)
        except (ValueError, RecursionError):
            raise UpstreamFailed(self.upstream, "broken", "answered what is not JSON") from None


def refuse(constant: str) -> None:
    """Raise ValueError: Python's parser takes NaN and the infinities, and they are no JSON."""
    raise ValueError(constant)


class UpstreamFailed(HTTPException):
    """A call failed. A handler that does not catch this answers with it: 502, 503 or 504.

    It says which upstream failed and how, and nothing that the upstream wrote.
    """

    def __init__(
        self,
        upstream: str,
        outcome: str,
        how: str,
        *,
        retry_after: int | None = None,
        answer: Answer | None = None,
    ) -> None:
        super().__init__(f"The upstream {upstream} {how}.")
        timed_out = answer is not None and answer.status == 504
        self.code = 504 if timed_out else STATUS_OF[outcome]
        self.upstream = upstream
        self.outcome = outcome
        self.retry_after = retry_after  # seconds
        self.answer = answer

    def get_headers(self, *args: Any, **options: Any) -> list[tuple[str, str]]:
        """Return the headers of the response."""
        headers = super().get_headers(*args, **options)
        if self.retry_after is not None:
            headers.append(("Retry-After", str(self.retry_after)))
        return headers
