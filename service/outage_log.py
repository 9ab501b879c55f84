"""What the log says of an outage: a line when it begins, and one when it is over."""

import logging
import threading
from collections.abc import Callable

from service.config import PASSWORD

log = logging.getLogger(__name__)

QUIET = 5.0  # seconds without a failure, before a success ends an outage: as Dependencies checks
FORGOTTEN = 60.0  # seconds without a failure, after which the next one is a new outage
LONGEST = 300  # characters of an exception's message that are logged


class Outage:
    """Whether one dependency fails, for the log."""

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self.name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0  # of this outage
        self._latest = 0.0  # when the last one was

    def failed(self, failure: BaseException, may_begin: bool = True) -> bool:
        """Log the first failure of an outage, without traceback: the cause is not in this code.

        Returns False, and does nothing, where it would be the first one and may not.
        """
        with self._lock:
            now = self._clock()
            begins = not self._failures or now > self._latest + FORGOTTEN
            if begins and not may_begin:
                return False
            self._failures = 1 if begins else self._failures + 1
            self._latest = now
        if begins:
            log.error("%s fails: %s: %s", self.name, type(failure).__name__, first_line(failure))
        return True

    def worked(self) -> bool:
        """Log the end of an outage, unless there was a failure a moment ago.

        Returns whether there is or was one: the log tells its end, now or later.
        """
        if not self._failures:
            return False
        with self._lock:
            if self._clock() < self._latest + QUIET:
                return True
            failures, self._failures = self._failures, 0
        if failures:
            log.info("%s works again, after %d failures", self.name, failures)
        return True


def first_line(failure: BaseException) -> str:
    """Return the first line of what an exception says, without a URL's password.

    SQL stands below it, and holds data.
    """
    return PASSWORD.sub(r"\1\3***\2", str(failure).partition("\n")[0])[:LONGEST]
