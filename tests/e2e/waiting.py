"""Waits for what a cluster does in its own time, never longer than a deadline."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)


def eventually(
    check: Callable[[], T],
    *,
    seconds: float,
    every: float = 0.5,
    also: tuple[type[Exception], ...] = (),
) -> T:
    """Call the check until no assert in it fails (nor one of `also` is raised); return its value.

    At the deadline the last failure is raised as it is, because it says what was missing.
    """
    start = time.monotonic()
    while True:
        try:
            value = check()
        except (AssertionError, *also) as failure:
            if time.monotonic() - start > seconds:
                failure.add_note(f"still so after {seconds} s")
                raise
            time.sleep(every)
        else:
            name = check.__name__.replace("_", " ")
            log.info("%6.1f s  until %s", time.monotonic() - start, name)
            return value
