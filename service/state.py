"""What master and worker share: a few bytes of memory that outlive the worker."""

import mmap
import struct
from enum import IntEnum
from typing import NamedTuple


class Stage(IntEnum):
    """How far the pod is on its way out."""

    SERVING = 0
    DRAINING = 1  # serves everything, but asks each client to connect elsewhere
    STOPPING = 2  # takes no new connection and finishes what is in flight
    LEAVING = 3  # as STOPPING, and does not wait for idle clients either


SERVING = Stage.SERVING


class Failing(NamedTuple):
    """Which share of requests is to fail, until when (of time.monotonic()), with which status."""

    share: float
    until: float
    status: int


class PodState:
    """Create it in the master, before the fork.

    No lock is needed: what both write are single bytes, and the rest has one process that writes.
    """

    _STAGE, _BOOTED, _UNREADY, _EXITING, _EXIT_CODE = range(5)
    _SPAWNED = struct.Struct("@Q")
    _SPAWNED_AT = 8
    _FAILING = struct.Struct("@ddH")
    _FAILING_AT = 16

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 64)

    @property
    def stage(self) -> int:
        """The Stage; only the master moves it, only forward."""
        return self._memory[self._STAGE]

    @stage.setter
    def stage(self, stage: Stage) -> None:
        self._memory[self._STAGE] = stage

    @property
    def is_serving(self) -> bool:
        """Whether no stop has begun."""
        return self._memory[self._STAGE] == SERVING

    @property
    def is_leaving(self) -> bool:
        """Whether it waits for requests in flight only, and not for idle clients."""
        return self.stage == Stage.LEAVING

    @property
    def booted(self) -> bool:
        """Whether a worker has ever got as far as serving."""
        return bool(self._memory[self._BOOTED])

    @booted.setter
    def booted(self, booted: bool) -> None:
        self._memory[self._BOOTED] = booted

    @property
    def switched_off(self) -> bool:
        """The readiness switch, for the whole pod."""
        return bool(self._memory[self._UNREADY])

    @switched_off.setter
    def switched_off(self, off: bool) -> None:
        self._memory[self._UNREADY] = off

    @property
    def failing(self) -> Failing:
        """Which requests are to fail; none at first."""
        return Failing(*self._FAILING.unpack_from(self._memory, self._FAILING_AT))

    @failing.setter
    def failing(self, failing: Failing) -> None:
        self._FAILING.pack_into(self._memory, self._FAILING_AT, *failing)

    @property
    def exit_code(self) -> int | None:
        """The code that the master is to exit with when this worker has gone; None: go on."""
        return self._memory[self._EXIT_CODE] if self._memory[self._EXITING] else None

    @exit_code.setter
    def exit_code(self, code: int) -> None:
        self._memory[self._EXIT_CODE] = code
        self._memory[self._EXITING] = True

    @property
    def restarts(self) -> int:
        """How many workers were started in place of another."""
        spawned: int = self._SPAWNED.unpack_from(self._memory, self._SPAWNED_AT)[0]
        return max(0, spawned - 1)

    def count_spawn(self) -> None:
        """Count a worker; only the master calls this."""
        spawned = self._SPAWNED.unpack_from(self._memory, self._SPAWNED_AT)[0]
        self._SPAWNED.pack_into(self._memory, self._SPAWNED_AT, spawned + 1)


# The one of this pod: gunicorn's master imports this module before it forks.
POD = PodState()
