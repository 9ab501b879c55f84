"""One core for the server, another for the load."""

import os
import resource
import sys
from collections.abc import Callable

SERVER_CORE, GENERATOR_CORE = 0, 1


def available() -> None:
    """Raise SystemExit without the two."""
    if not {SERVER_CORE, GENERATOR_CORE} <= os.sched_getaffinity(0):
        sys.exit(f"benchmarks: needs CPUs {SERVER_CORE} and {GENERATOR_CORE}")


def on(core: int) -> Callable[[], None]:
    """Return what a new process does first: go to its core, with as many open files as it may;
    raises SystemExit without two cores."""
    available()

    def begin() -> None:
        os.sched_setaffinity(0, {core})
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    return begin
