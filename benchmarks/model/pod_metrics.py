"""What the autoscaler gets to see of a pod's load, and when.

Between a request and a decision lie the kubelet's measurement, metrics-server's scrape and the
autoscaler's own period, each with a phase of its own.
"""

import random
from dataclasses import dataclass

from benchmarks.model import hpa

# The kubelet measures a container at such intervals: cAdvisor's 10 s and up to as much again
# (housekeeping with jitter, google/cadvisor manager/container.go). Until the first time it asks the
# container runtime, at that moment (pkg/kubelet/stats/cri_stats_provider.go).
MEASURED = 10.0, 20.0
SCRAPED = 15.0  # metrics-server's --metric-resolution in its manifest
# A container as old as that, and younger than the resolution, has metrics after one scrape
# (metrics-server, pkg/storage/pod.go).
FRESH = 10.0
LOOKED_BACK = 30.0  # seconds of which the component autoscale-on-saturation takes the average


class Total:
    """An integral over time of what is the same for all Ready pods."""

    def __init__(self, begin: float, before: float) -> None:
        self.begin = begin
        self.before = before  # a second, before the beginning
        self.sums = [0.0]

    def add(self, value: float) -> None:
        """Add a second."""
        self.sums.append(self.sums[-1] + value)

    def at(self, time: float) -> float:
        """Return the integral until then."""
        place = time - self.begin
        if place <= 0:
            return place * self.before
        index = min(int(place), len(self.sums) - 1)
        following = self.sums[min(index + 1, len(self.sums) - 1)]
        return self.sums[index] + (place - index) * (following - self.sums[index])


@dataclass(eq=False)
class Pod(hpa.Pod):
    """A pod, and where the measurements of its CPU stand."""

    measured: float | None = None  # last time
    due: float = 0.0  # next time
    scraped: float | None = None  # the measurement that metrics-server has
    gone: bool = False

    @classmethod
    def old(cls, now: float, chance: random.Random) -> "Pod":
        """Return one that has been there for longer than anybody cares."""
        began = now - 2 * hpa.INITIALIZATION
        pod = cls(started=began, ready=True, changed=began)
        pod.measured = now - chance.uniform(0, MEASURED[0])
        pod.due = pod.measured + chance.uniform(*MEASURED)
        return pod

    def start(self, now: float, chance: random.Random) -> None:
        """Start its container, and set the time of its first measurement."""
        self.started = self.changed = now
        self.due = now + chance.uniform(*MEASURED)

    def scrape(self, cpu: Total, now: float, every: float, chance: random.Random) -> None:
        """Take the latest measurement; usage is what lies between two of them."""
        while self.due <= now:
            self.measured, self.due = self.due, self.due + chance.uniform(*MEASURED)
        before, self.scraped = self.scraped, now if self.measured is None else self.measured
        if FRESH <= self.scraped - self.started < every:
            before = self.started
        if before is not None and before < self.scraped:
            used = self.average(cpu, before, self.scraped)
            self.sample = hpa.Sample(used, self.scraped, self.scraped - before)

    def average(self, total: Total, begin: float, end: float) -> float:
        """Return an average; a start's CPU is left out, as the autoscaler leaves it out."""
        there = max(begin, self.changed), max(end, self.changed)
        return (total.at(there[1]) - total.at(there[0])) / (end - begin)

    def saturated(self, taken: Total, now: float) -> float:
        """Return what the component's query adds up: the average of what is seen of a pod."""
        begin = max(now - LOOKED_BACK, self.changed)
        return self.average(taken, begin, now) if self.ready and begin < now else 0.0
