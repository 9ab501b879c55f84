"""What calls to all upstreams of an app have in common."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from flask import has_request_context, request

from service.config import Config
from service.correlation import outgoing_headers
from service.upstream import deadline
from service.upstream.metrics import Metrics


@contextmanager
def untraced(*_: Any) -> Iterator[Callable[[str, int], None]]:
    """Stand for the span of an attempt where nobody records any."""
    yield lambda outcome, status: None


class Calling:
    """What calls to all upstreams of an app have in common; the app may replace both callables."""

    def __init__(self, config: Config, metrics: Metrics, is_serving: Callable[[], bool]) -> None:
        self.metrics = metrics
        self.is_serving = is_serving
        self.is_overloaded: Callable[[], bool] = lambda: False
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
        """Whether there is room for a retry here: none while the pod drains or is overloaded."""
        return self.is_serving() and not self.is_overloaded()
