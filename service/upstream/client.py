"""A service that this one calls, and the rules for calling it."""

import json
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.datastructures import Headers

from service.upstream import deadline, retries
from service.upstream.answer import Answer, UpstreamFailed
from service.upstream.calling import Calling
from service.version import __version__

LARGEST = 1024 * 1024  # bytes of an answer, unless a call allows more
STALE = 1.0  # seconds without kept connections after one of them turned out to be closed


class Upstream:
    """Calls one service: in time, a bounded number at once, and seldom twice for one call."""

    def __init__(self, name: str, url: str, calling: Calling) -> None:
        # Not above: only a service that calls others pays for urllib3, 50 ms of its start.
        from service.upstream.exchange import Exchange

        self.name = name
        self.url = url
        self._calling = calling
        self._exchange = Exchange(name, url, calling.concurrency)
        self._slots = threading.BoundedSemaphore(calling.concurrency)  # the bulkhead
        self._budget = retries.RetryBudget()
        self._no_retry_until = 0.0  # of time.monotonic(), as a Retry-After asked for
        self._fresh_until = 0.0  # of time.monotonic()
        calling.metrics.expect(name)

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        json: Any = None,
        timeout: float | None = None,
        largest: int = LARGEST,
    ) -> Answer:
        """Return an answer with a status below 300, of 304, or from 400 to 499.

        `path` may have a query; `json` is sent as the body; `timeout`, in seconds, can only shorten
        what is left of the request's budget; `largest` is in bytes. Raises UpstreamFailed.
        """
        if not path.startswith("/"):
            raise ValueError(f"{path!r} does not begin with a slash")
        sent = Headers(self._calling.headers())
        sent["User-Agent"] = f"hellopod/{__version__}"
        if json is not None:
            body = to_json(json)
            sent["Content-Type"] = "application/json"
        until = self._calling.deadline()
        if timeout is not None:
            until = min(until, time.monotonic() + timeout)
        for name, value in (headers or {}).items():
            sent[name] = value
        call = Call(method.upper(), path, sent, body, until, largest)
        metrics, began, outcome = self._calling.metrics, time.monotonic(), "broken"
        try:
            answer = self._in_bulkhead(call)
            outcome = "ok"
            return answer
        except UpstreamFailed as failed:
            outcome = failed.outcome
            raise
        finally:
            metrics.requests.labels(self.name, outcome).inc()
            metrics.duration.labels(self.name).observe(time.monotonic() - began)

    def _in_bulkhead(self, call: "Call") -> Answer:
        if call.left() < deadline.LEAST:
            raise UpstreamFailed(self.name, "expired", "was not asked: no time is left")
        if not self._slots.acquire(blocking=False):
            how = "was not asked: as many calls as may are waiting for it"
            again = random.randint(1, 3)  # noqa: S311
            raise UpstreamFailed(self.name, "full", how, retry_after=again)
        try:
            with self._calling.metrics.in_flight.labels(self.name).track_inprogress():
                self._budget.deposit()
                return self._judge(self._ask(call))
        finally:
            self._slots.release()

    def _ask(self, call: "Call") -> Answer:
        """Ask, and once more where that may help."""
        from service.upstream.exchange import Broke

        # A kept connection may be closed at the moment of its next request, and whether that was
        # served nobody knows: what must not be repeated gets a new one.
        idempotent = call.method in retries.IDEMPOTENT
        fresh = not idempotent or time.monotonic() < self._fresh_until
        retry = attempts = 0
        while True:
            try:
                return self._attempt(call, attempts, fresh)
            except Broke as broke:
                attempts += 1
                if broke.attempt.reused and broke.outcome == "broken" and broke.retryable:
                    # No retry of a failure: the connection had ended before.
                    self._exchange.forget()
                    self._fresh_until = time.monotonic() + STALE
                    fresh = True
                    continue
                pause = retries.pause(retry)
                # Without a connection nothing was sent, so any method may be tried again
                # (RFC 9110 section 9.2.2).
                repeatable = broke.retryable and (idempotent or broke.outcome == "connect")
                if not (repeatable and self._may_retry(call, retry, pause)):
                    raise UpstreamFailed(self.name, broke.outcome, broke.how) from broke
                retry += 1
                self._calling.metrics.retries.labels(self.name).inc()
                time.sleep(pause)

    def _may_retry(self, call: "Call", retry: int, pause: float) -> bool:
        return (
            retry < retries.MOST_RETRIES
            and pause < call.left() - deadline.LEAST
            and time.monotonic() >= self._no_retry_until
            and self._calling.may_retry()
            and self._budget.withdraw()
        )

    def _attempt(self, call: "Call", attempts: int, fresh: bool) -> Answer:
        from service.upstream.exchange import Broke

        found = call.headers.copy()
        found[deadline.HEADER] = deadline.passed_on(call.left())
        headers = dict(found.items())
        with self._calling.trace(call.method, self.url, call.path, attempts, headers) as note:
            try:
                answer = self._exchange.ask(
                    call.method,
                    call.path,
                    headers,
                    call.body,
                    deadline=call.deadline,
                    largest=call.largest,
                    fresh=fresh,
                )
            except Broke as broke:
                note(broke.outcome, 0)
                raise
            note("ok" if answer.status < 400 else str(answer.status), answer.status)
            return answer

    def _judge(self, answer: Answer) -> Answer:
        """Return an answer that a handler can use; raises UpstreamFailed for the others."""
        status, how = answer.status, f"answered {answer.status}"
        if status in (429, 503):
            again = retries.retry_after(answer.headers.get("retry-after", ""))
            if again is not None:
                until = time.monotonic() + again
                self._no_retry_until = max(self._no_retry_until, until)
            raise UpstreamFailed(self.name, "unavailable", how, retry_after=again, answer=answer)
        if status >= 500:
            raise UpstreamFailed(self.name, "error", how, answer=answer)
        if 300 <= status < 400 and status != 304:
            how += ", a redirect: none is followed"
            raise UpstreamFailed(self.name, "redirect", how, answer=answer)
        return answer


@dataclass(frozen=True)
class Call:
    """What is asked of an upstream, and until when."""

    method: str
    path: str
    headers: Headers
    body: bytes | None
    deadline: float  # of time.monotonic()
    largest: int  # bytes of the answer

    def left(self) -> float:
        """Return the seconds to the deadline."""
        return self.deadline - time.monotonic()


def to_json(value: Any) -> bytes:
    """Return a value as JSON."""
    return json.dumps(value).encode()
