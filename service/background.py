"""Work beside the requests, in threads of the worker."""

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

LAST = 0.5  # seconds that a run may still take when its task is told to end


class Outcome:
    """Whether a task works, for the log: lines when that changes, not one a run."""

    def __init__(self, name: str, seconds: float) -> None:
        self._name = name
        self._seconds = seconds
        self._failures = 0  # since it last worked
        self._kind: type[BaseException] | None = None  # of the last failure that was logged

    def failed(self, problem: BaseException) -> None:
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


def every(
    seconds: float, task: Callable[[], None], name: str = "a background task"
) -> Callable[[], None]:
    """Run a task at once, and again so many seconds after each run, in a thread of its own.

    What it raises is logged under `name`: the first failure, one of another class, and that the
    task works again. It ends with the process, in the middle of a run if need be. Where that is too
    late, call what this returns: no run begins after it, and one that goes on has LAST seconds to
    end. Call this while the app is built. That is after the fork, and threads do not survive one.
    """
    outcome, ended = Outcome(name, seconds), threading.Event()

    def run() -> None:
        while not ended.is_set():
            try:
                task()
            except BaseException as problem:  # SystemExit too: it would end this thread unseen
                outcome.failed(problem)
            else:
                outcome.worked()
            ended.wait(seconds)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()

    def end() -> None:
        ended.set()
        thread.join(LAST)

    return end
