"""A Deployment under load, with its autoscaler: what the load meets, second by second.

Requests are not simulated one by one: at 1,000,000 a second that would take hours. Each second all
Ready pods get an equal share. pod_model.py did simulate every request, and says what a pod makes
of its share. Everything slower than a second is an event of its own: each pod's start,
each measurement of its CPU and each scrape (pod_metrics.py), each decision (hpa.py).
"""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import simpy

from benchmarks.model import hpa
from benchmarks.model.hpa_behavior import Autoscaler, Settings
from benchmarks.model.pod_curve import Curve
from benchmarks.model.pod_metrics import SCRAPED, Pod, Total

# Seconds from a container's start to Ready, and sigma of the logarithm (docs/e2e-full.txt).
START, SPREAD = 1.2, 0.25
WORK = 0.05  # seconds that a decision takes; the next one comes SYNC after it
# Pods a second that one controller creates, and how many at once: --kube-api-qps and -burst of
# kube-controller-manager, https://kubernetes.io/docs/reference/command-line-tools-reference/
CREATED, BURST = 20.0, 30


@dataclass(frozen=True)
class Second:
    """What there was in a second: pods, requests, cores."""

    at: float
    wanted: int
    ready: int
    offered: float
    served: float
    cpu: float

    @property
    def shed(self) -> float:
        """Requests that were not served."""
        return max(0.0, self.offered - self.served)


@dataclass(frozen=True)
class Cluster:
    """What pods find: their start, and room; pods beyond `room` wait for a node."""

    start: float = START
    created: float = CREATED
    scraped: float = SCRAPED
    room: float = math.inf  # pods
    node: float = 90.0  # seconds until a new node runs pods


@dataclass
class Model:
    """Pods, load, metrics and the autoscaler; `load` gives requests a second at a time."""

    curve: Curve
    load: Callable[[float], float]
    settings: Settings
    seed: int
    begin: float = 0.0
    cluster: Cluster = field(default_factory=Cluster)
    later: tuple[float, Settings] | None = None  # from some time on

    def __post_init__(self) -> None:
        self.env = simpy.Environment(self.begin)
        self.random = random.Random(self.seed)  # noqa: S311
        self.autoscaler = Autoscaler(self.settings)
        first = self.load(self.begin)
        self.pods = [Pod.old(self.begin, self.random) for _ in range(self.enough(first))]
        self.ready = self.wanted = len(self.pods)
        before = self.curve.at(first / self.ready)
        self.cpu, self.taken = (Total(self.begin, each) for each in (before.cpu, before.taken))
        self.seconds: list[Second] = []

    def enough(self, rate: float) -> int:
        """Return how many pods the autoscaler would have for a load that is there for long."""
        settings = self.settings

        def suffices(number: int) -> bool:
            point = self.curve.at(rate / number)
            values = [(point.cpu if t.cpu else point.taken) / t.whole for t in settings.targets]
            return all(v <= t.share for v, t in zip(values, settings.targets, strict=True))

        numbers = range(settings.least, settings.most)
        return next((number for number in numbers if suffices(number)), settings.most)

    def run(self, until: float) -> list[Second]:
        """Return every second until then."""
        for process in (self.scrapes, self.decisions, self.requests):
            self.env.process(process())
        self.env.run(until)
        return self.seconds

    def requests(self) -> Iterator[simpy.Event]:
        while True:
            offered = self.load(self.env.now)
            point = self.curve.at(offered / self.ready)
            self.cpu.add(point.cpu)
            self.taken.add(point.taken)
            made = self.wanted, self.ready, offered, self.ready * point.served
            self.seconds.append(Second(self.env.now, *made, self.ready * point.cpu))
            yield self.env.timeout(1)

    def scrapes(self) -> Iterator[simpy.Event]:
        yield self.env.timeout(self.random.uniform(0, self.cluster.scraped))
        while True:
            for pod in self.pods:
                if pod.started <= self.env.now:
                    pod.scrape(self.cpu, self.env.now, self.cluster.scraped, self.random)
            yield self.env.timeout(self.cluster.scraped)

    def decisions(self) -> Iterator[simpy.Event]:
        yield self.env.timeout(self.random.uniform(0, hpa.SYNC))
        while True:
            now = self.env.now
            if self.later and now >= self.later[0]:
                self.autoscaler.settings = self.later[1]
            targets = self.autoscaler.settings.targets
            proposals = [self.proposal(target, now) for target in targets]
            self.scale(self.autoscaler.decide(now, self.wanted, proposals))
            yield self.env.timeout(hpa.SYNC + WORK)

    def proposal(self, target: hpa.Target, now: float) -> int | None:
        if target.cpu:
            return hpa.proposal(self.pods, self.wanted, target, now)
        total = sum(pod.saturated(self.taken, now) for pod in self.pods)
        return hpa.external(total, self.wanted, target)

    def scale(self, number: int) -> None:
        for place in range(number - self.wanted):
            pod = Pod()
            self.pods.append(pod)
            wait = max(0, place + 1 - BURST) / self.cluster.created
            wait += self.cluster.node if len(self.pods) > self.cluster.room else 0.0
            self.env.process(self.start(pod, wait))
        for pod in self.pods[number:]:
            pod.gone = True
            self.ready -= pod.ready
        del self.pods[number:]
        self.wanted = number

    def start(self, pod: Pod, wait: float) -> Iterator[simpy.Event]:
        yield self.env.timeout(wait)
        pod.start(self.env.now, self.random)
        yield self.env.timeout(self.random.lognormvariate(math.log(self.cluster.start), SPREAD))
        pod.ready, pod.changed = True, self.env.now
        self.ready += not pod.gone
