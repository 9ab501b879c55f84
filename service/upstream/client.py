"""A service that this one calls, and the rules for calling it."""

import json
import math
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from flask import has_request_context, request

from service.config import Config
from service.correlation import outgoing_headers
from service.upstream import deadline, retries
from service.upstream.answer import Answer, UpstreamFailed
from service.upstream.metrics import Metrics
from service.version import __version__

LARGEST = 1024 * 1024  # bytes of an answer, unless a call allows more
LONGEST_RETRY_AFTER = 3600  # seconds to believe
STALE = 1.0  # seconds without kept connections after one of them turned out to be closed


@contextmanager
def untraced(*_: Any) -> Iterator[Callable[[str, int], None]]:
    """Stand for the span of an attempt where nobody records any."""
    yield lambda outcome, status: None


class Calling:
    """What calls to all upstreams of an app have in common; the app may replace both callables."""

    def __init__(self, config: Config, metrics: Metrics, is_serving: Callable[[], bool]) -> None:
        self.metrics = metrics
        self.is_serving = is_serving
        self.is_shedding: Callable[[], bool] = lambda: False
        self.trace: Callable[..., AbstractContextManager[Callable[[str, int], None]]] = untraced
        self.conceal = config.conceal
        self.most = float(config.graceful_timeout)
        self.default = min(config.request_timeout, self.most)
        self.concurrency = config.upstream_concurrency or max(1, config.concurrency // 2)

    def deadline(self) -> float:
        """Return when the request of this thread has to be answered, or a call of no request."""
        if not has_request_context():
            return time.monotonic() + self.default
        return deadline.of_request(request.environ, self.default, self.most)

    def headers(self) -> dict[str, str]:
        """Return what goes on to the upstream from the request of this thread."""
        found = outgoing_headers() if has_request_context() else {}
        return {name: self.conceal(value) for name, value in found.items()}

    def may_retry(self) -> bool:
        """Whether there is room for a retry here: none while the pod drains or refuses requests."""
        return self.is_serving() and not self.is_shedding()


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
        sent = self._calling.headers() | {"User-Agent": f"hellopod/{__version__}"}
        if json is not None:
            body = to_json(json)
            sent["Content-Type"] = "application/json"
        until = self._calling.deadline()
        if timeout is not None:
            until = min(until, time.monotonic() + timeout)
        call = Call(method.upper(), path, sent | dict(headers or {}), body, until, largest)
        metrics, began, outcome = self._calling.metrics, time.monotonic(), "ok"
        try:
            return self._in_bulkhead(call)
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
                if not (idempotent and broke.retryable and self._may_retry(call, retry, pause)):
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

        headers = call.headers | {deadline.HEADER: deadline.passed_on(call.left())}
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
            again = retry_after(answer.headers.get("retry-after", ""))
            if again is not None:
                self._no_retry_until = time.monotonic() + again
            raise UpstreamFailed(self.name, "unavailable", how, retry_after=again, answer=answer)
        if status >= 500:
            raise UpstreamFailed(self.name, "error", how, answer=answer)
        if 300 <= status < 400 and status != 304:
            how += ", a redirect, which is not followed"
            raise UpstreamFailed(self.name, "redirect", how, answer=answer)
        return answer


@dataclass(frozen=True)
class Call:
    """What is asked of an upstream, and until when."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes | None
    deadline: float  # of time.monotonic()
    largest: int  # bytes of the answer

    def left(self) -> float:
        """Return the seconds to the deadline."""
        return self.deadline - time.monotonic()


def to_json(value: Any) -> bytes:
    """Return a value as JSON."""
    return json.dumps(value).encode()


def retry_after(text: str) -> int | None:
    """Return the seconds that a Retry-After asks for (RFC 9110 section 10.2.3), within bounds."""
    if re.fullmatch("[0-9]{1,9}", text):
        return min(int(text), LONGEST_RETRY_AFTER)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, OverflowError, TypeError):
        return None
    return max(0, min(math.ceil(seconds), LONGEST_RETRY_AFTER))


class Upstreams:
    """The upstreams of one app, by name."""

    def __init__(self, config: Config, metrics: Metrics, is_serving: Callable[[], bool]) -> None:
        self.calling = Calling(config, metrics, is_serving)
        self._known: dict[str, Upstream] = {}
        for url in filter(None, config.upstreams.split(",")):
            self.add(url.partition("://")[2], url)
        self._of_settings = list(self._known.values())

    def add(self, name: str, url: str) -> Upstream:
        """Make an upstream known; call this while the app is built.

        `name` becomes a label of metrics; `url` is what all paths follow. Raises ValueError if
        there is one of that name.
        """
        if name in self._known:
            raise ValueError(f"there is an upstream {name!r} already")
        self._known[name] = Upstream(name, url, self.calling)
        return self._known[name]

    def of_settings(self) -> list[Upstream]:
        """Return those that UPSTREAMS names, each by what follows the scheme of its URL."""
        return self._of_settings

    def time_left(self) -> bool:
        """Whether the request of this thread has time for a call."""
        return self.calling.deadline() - time.monotonic() >= deadline.LEAST

    def named(self, name: str) -> Upstream:
        """Return an upstream; raises LookupError if there is none of that name."""
        return self._known[name]
