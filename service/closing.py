"""What the worker closes at its end, when it has answered its last request."""

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the master reads LONGEST, and needs no Flask
    from flask import Flask

log = logging.getLogger(__name__)

LONGEST = 2  # seconds for all of them, as GRACEFUL_TIMEOUT is for the requests before


class Closing:
    """Functions that close pools, clients and queues at the worker's end; one of these an app."""

    def __init__(self) -> None:
        self._closes: list[Callable[[], object]] = []

    def add(self, close: Callable[[], object]) -> None:
        """Call `close` once at the worker's end, in a thread; the last one added comes first."""
        self._closes.append(close)

    def close(self, seconds: float = LONGEST) -> None:
        """Call all of them. Log those that raise, and those that take longer than `seconds`.

        A test calls this for the app that it made.
        """
        if not self._closes:
            return
        # A daemon: the process does not wait for one.
        thread = threading.Thread(target=self._close_all, name="closing", daemon=True)
        thread.start()
        thread.join(seconds)
        if thread.is_alive():
            log.warning("closing takes longer than %g s and is left undone", seconds)

    def _close_all(self) -> None:
        while self._closes:
            close = self._closes.pop()
            try:
                close()
            except Exception:  # the others are to close, too
                log.exception("closing failed")


def init_app(app: "Flask") -> None:
    """Begin without any."""
    app.extensions["closing"] = Closing()
