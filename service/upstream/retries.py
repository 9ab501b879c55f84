"""When to ask once more: seldom, later, and never all at once."""

import math
import random
import re
import threading
import time
from email.utils import parsedate_to_datetime

IDEMPOTENT = {"DELETE", "GET", "HEAD", "OPTIONS", "PUT", "TRACE"}  # RFC 9110 section 9.2.2
MOST_RETRIES = 2  # of one call
FIRST_PAUSE = 0.05  # seconds at most before the first retry; twice as many before each other
LONGEST_PAUSE = 1.0  # seconds
LONGEST_RETRY_AFTER = 3600  # seconds to believe


def pause(retry: int) -> float:
    """Return the seconds to wait before a retry (the first is number 0): full jitter.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    return random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**retry))  # noqa: S311


def retry_after(text: str) -> int | None:
    """Return the seconds that a Retry-After asks for (RFC 9110 section 10.2.3), within bounds."""
    if re.fullmatch("[0-9]+", text):
        return min(int(text.lstrip("0")[:10] or "0"), LONGEST_RETRY_AFTER)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, OverflowError, TypeError):
        return None
    return max(0, min(math.ceil(seconds), LONGEST_RETRY_AFTER))


class RetryBudget:
    """Lets one retry through for each ten calls: a token bucket, as Finagle's RetryBudget.

    It begins empty, so that retries are never more than a tenth of all calls.
    """

    PRICE = 10  # calls for a retry
    MOST = 10 * PRICE  # a quiet hour buys no more than ten retries at once

    def __init__(self) -> None:
        self._balance = 0
        self._lock = threading.Lock()

    def deposit(self) -> None:
        """Count a call."""
        with self._lock:
            self._balance = min(self._balance + 1, self.MOST)

    def withdraw(self) -> bool:
        """Take a retry; returns whether there was one."""
        with self._lock:
            if self._balance < self.PRICE:
                return False
            self._balance -= self.PRICE
            return True
