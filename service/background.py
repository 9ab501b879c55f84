"""Work beside the requests, in threads of the worker."""

import logging
import threading
from collections.abc import Callable

from service.outage_log import first_line
from service.outages import Outages

log = logging.getLogger(__name__)

LAST = 0.5  # seconds that a run may still take when its task is told to end


class Outcome:
    """Whether a task works. The log gets a line when that changes, not one for each run."""

    def __init__(self, name: str, seconds: float, outages: Outages | None) -> None:
        self._name = name
        self._seconds = seconds
        self._outages = outages
        self._failures = 0  # since it last worked
        self._kind: type[BaseException] | None = None  # of the last failure that was logged

    def failed(self, problem: BaseException) -> None:
        """Log the first failure in a row, and those of another class.

        A mistake has its traceback. The cause of an outage is not in this code. What the outage
        itself logs is not said again. But if it is over, and the task still fails, the task says
        so: it would be silent otherwise, or begin an outage at each run.
        """
        first = not self._failures
        self._failures += 1
        if self._outages and self._outages.explains(problem, may_begin=first):
            return
        if type(problem) is self._kind:
            return
        self._kind = type(problem)
        failed = f"{self._name} failed; it runs again in {self._seconds:g} s"
        if self._outages and self._outages.is_known(problem):
            log.error("%s: %s: %s", failed, type(problem).__name__, first_line(problem))
        else:
            log.error("%s", failed, exc_info=problem)

    def worked(self) -> None:
        """Log the end of failures, if the log has their beginning from here."""
        if self._kind:
            log.info("%s works again, after %d failures", self._name, self._failures)
        self._failures, self._kind = 0, None


def every(
    seconds: float,
    task: Callable[[], None],
    name: str = "a background task",
    outages: Outages | None = None,
) -> Callable[[], None]:
    """Run a task at once, and again so many seconds after each run, in a thread of its own.

    The log names the task by `name`. It gets the first failure, a failure of another class, and a
    line when the task works again. Pass `app.extensions["outages"]` if it needs a dependency: an
    outage has one line then, whoever notices it first, and no traceback.

    The task ends with the process, even in the middle of a run. To end it earlier, call what this
    returns: no run begins after that call, and a run under way has LAST seconds to end. Call this
    while the app is built: threads do not survive a fork, and the app is built after it.
    """
    outcome, ended = Outcome(name, seconds, outages), threading.Event()

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
