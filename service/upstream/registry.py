"""The upstreams of an app, by name."""

import time
from collections.abc import Callable

from service.config import Config
from service.upstream import deadline
from service.upstream.calling import Calling
from service.upstream.client import Upstream
from service.upstream.metrics import Metrics


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
