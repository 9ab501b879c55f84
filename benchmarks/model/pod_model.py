"""What one pod does with each rate of requests, from a simulation of every single one.

The decisions are not modelled: they are service/runtime/admission.py itself, with the simulation's
clock and CPU meters in place of real ones.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import simpy

from service.computing.meter import CpuMeter
from service.config import Config
from service.runtime.admission import Admission, Verdict

CONFIG = Config()
SWITCH = 0.005  # seconds of CPU after which a thread lets another one run: Python's switch interval
ASKING = 0.01  # of its time: what a thread that wants the interpreter uses meanwhile
LOOK = 0.01  # seconds between two looks: which has waited too long, and which may run now
# CPU seconds of a refusal, 13 % of what serving `/` takes. Measured were 8 to 17 %.
REFUSAL = 0.00007


@dataclass(frozen=True)
class Handler:
    """What a request takes: seconds of CPU, then seconds of waiting for somebody else."""

    work: float
    wait: float = 0.0
    cores: float = 1.0  # what a pod can use: one Python process, or less by its CPU limit
    # Requests come at random; or else somebody sends them at equal intervals, and this share of
    # them, chosen at random, to this pod.
    share: float = 0.0

    @property
    def capacity(self) -> float:
        """The most requests a second that a pod can serve: the CPU or the slots end first."""
        slots = CONFIG.concurrency / (self.wait + self.work / self.cores)
        return min(self.cores / self.work, slots)


@dataclass(frozen=True)
class Point:
    """A rate of requests and what comes of it: served and refused a second, cores, slots."""

    offered: float
    served: float
    cpu: float  # cores
    taken: float  # requests that run or wait, as a share of the slots


@dataclass(eq=False)
class Request(CpuMeter):
    """Stands for the connection and its CPU meter."""

    env: simpy.Environment
    cpu: float = 0.0
    asking_since: float | None = None  # for the interpreter
    meter: "Request" = field(init=False)
    kind: str = "GET /"

    def __post_init__(self) -> None:
        super().__init__()
        self.meter = self

    def used(self) -> float:
        """Return CPU seconds so far; a thread that asks for the interpreter uses some, too."""
        asked = 0 if self.asking_since is None else self.env.now - self.asking_since
        return self.cpu + ASKING * asked


class Pod:
    """Simulates a pod; a CPU limit makes its CPU slower, as it is over some periods of 100 ms."""

    def __init__(self, handler: Handler, rate: float, seed: int) -> None:
        self.env = simpy.Environment()
        self.handler = handler
        self.rate = rate
        self.random = random.Random(seed)  # noqa: S311
        limits = CONFIG.concurrency, CONFIG.queue_length, CONFIG.queue_timeout
        self.busy = 0.0  # seconds that the CPU was, however much of one the limit leaves
        self.busy_since: float | None = None
        self.admission = Admission(*limits, CONFIG.concurrency, self.usage)
        self.interpreter = simpy.PriorityResource(self.env)
        self.arrived = self.refused = 0
        self.cpu = self.taken = 0.0

    def usage(self) -> tuple[float, int]:
        """Return CPU seconds of the process."""
        more = 0 if self.busy_since is None else self.env.now - self.busy_since
        return self.busy + more, 0

    def run(self, warm_up: float, seconds: float) -> Point:
        """Return averages over some seconds."""
        self.env.process(self.arrivals())
        self.env.process(self.looks())
        self.env.run(warm_up)
        self.arrived = self.refused = 0
        self.cpu = self.taken = 0.0
        self.env.run(warm_up + seconds)
        looks = seconds / LOOK * CONFIG.concurrency
        served = min(self.rate * (1 - self.refused / self.arrived), self.handler.capacity)
        return Point(self.rate, served, self.cpu / seconds, self.taken / looks)

    def gap(self) -> float:
        """Return seconds until the next request."""
        if not (share := self.handler.share):
            return self.random.expovariate(self.rate)
        others = math.floor(math.log(1 - self.random.random()) / math.log(1 - share))
        return (1 + others) * share / self.rate

    def arrivals(self) -> Iterator[simpy.Event]:
        while True:
            yield self.env.timeout(self.gap())
            self.arrived += 1
            request = Request(self.env)
            verdict = self.admission.offer(request, self.env.now)
            if verdict is Verdict.RUN:
                self.env.process(self.serve(request))
            elif verdict is Verdict.REFUSE:
                self.refuse(request)

    def looks(self) -> Iterator[simpy.Event]:
        while True:
            yield self.env.timeout(LOOK)
            for request in self.admission.take_expired(self.env.now):
                self.refuse(request)
            while request := self.admission.next(self.env.now):
                self.start(request)
            self.taken += self.admission.running + len(self.admission.waiting)

    def refuse(self, request: Request) -> None:
        self.refused += 1
        self.env.process(self.compute(request, REFUSAL, priority=0))

    def start(self, request: Request | None) -> None:
        if request:
            self.env.process(self.serve(request))

    def serve(self, request: Request) -> Iterator[simpy.Event]:
        yield from self.compute(request, self.handler.work)
        yield self.env.timeout(self.handler.wait)
        self.start(self.admission.leave(request, self.env.now))

    def compute(self, request: Request, work: float, priority: int = 1) -> Iterator[simpy.Event]:
        """Take turns with all other threads. The event loop refuses, and comes first."""
        while work > 1e-9:
            part = min(work, SWITCH)
            request.asking_since = self.env.now
            with self.interpreter.request(priority) as turn:
                yield turn
                request.cpu, request.asking_since = request.used(), None
                self.busy_since = self.env.now
                yield self.env.timeout(part / self.handler.cores)
                self.busy, self.busy_since = self.busy + part / self.handler.cores, None
            request.cpu += part
            self.cpu += part
            work -= part
