"""Work beside the requests, in threads of the worker."""

import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)


def every(seconds: float, task: Callable[[], None]) -> None:
    """Run a task now and again, with so many seconds between two runs, in a thread of its own.

    What it raises is logged, and it runs again. It ends with the process, in the middle of a run if
    need be. Call this while the app is built, which is after the fork: threads do not survive one.
    """

    def run() -> None:
        while True:
            try:
                task()
            except Exception:
                log.exception("a background task failed; it runs again in %g s", seconds)
            time.sleep(seconds)

    threading.Thread(target=run, daemon=True).start()
