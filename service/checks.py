"""Checks of dependencies, each with a limit: a thread that waits cannot be ended from outside."""

import threading
from collections.abc import Callable

# Threads of one check at once. If one hangs, a second tries again with a new connection: the first
# may wait for ever, as for a host that died before it answered.
MOST = 2


class Unanswered(Exception):
    """Raised for a check that did not return in time."""


class Check:
    """One check and its runs; each has a thread, so that it can be left to itself."""

    def __init__(self, name: str, check: Callable[[], object], timeout: float) -> None:
        if timeout <= 0:
            raise ValueError(f"{name!r} needs a timeout above 0 s")
        self._name = name
        self._check = check
        self._timeout = timeout
        self._runs: list[threading.Thread] = []

    def run(self) -> None:
        """Return when the check does; raises what it raises.

        Raises Unanswered when it takes longer than `timeout` seconds. That run is left to itself,
        and its late result does not count. While two runs hang, no third begins.
        """
        self._runs = [each for each in self._runs if each.is_alive()]
        if len(self._runs) < MOST:
            raised: list[BaseException | None] = []
            run = threading.Thread(target=self._note, args=[raised], name=self._name, daemon=True)
            run.start()
            run.join(self._timeout)
            if raised and raised[0]:
                raise raised[0]
            if raised:
                return
            self._runs.append(run)
        raise Unanswered(f"the check did not return within {self._timeout:g} s")

    def _note(self, raised: list[BaseException | None]) -> None:
        try:
            self._check()
        except BaseException as problem:
            raised.append(problem)
        else:
            raised.append(None)
