"""Work beside the requests, in threads of the worker."""

import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)


class Outcome:
    """Whether a task works, for the log: lines when that changes, not one a run."""

    def __init__(self, name: str, seconds: float) -> None:
        self._name = name
        self._seconds = seconds
        self._failures = 0  # since it last worked
        self._kind: type[Exception] | None = None  # of the last failure that was logged

    def failed(self, problem: Exception) -> None:
        """Log the first failure in a row, and those of another class, with traceback."""
        self._failures += 1
        if type(problem) is not self._kind:
            self._kind = type(problem)
            message = "%s failed; it runs again in %g s"
            log.error(message, self._name, self._seconds, exc_info=problem)

    def worked(self) -> None:
        """Log the end of failures."""
        if self._failures:
            log.info("%s works again, after %d failures", self._name, self._failures)
        self._failures, self._kind = 0, None


def every(seconds: float, task: Callable[[], None], name: str = "a background task") -> None:
    """Run a task now and again, with so many seconds between two runs, in a thread of its own.

    What it raises is logged under `name`: once while it goes on, and once more when the task works
    again. It ends with the process, in the middle of a run if need be. Call this while the app is
    built, which is after the fork: threads do not survive one.
    """
    outcome = Outcome(name, seconds)

    def run() -> None:
        while True:
            try:
                task()
            except Exception as problem:
                outcome.failed(problem)
            else:
                outcome.worked()
            time.sleep(seconds)

    threading.Thread(target=run, name=name, daemon=True).start()
