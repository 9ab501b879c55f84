"""The HorizontalPodAutoscaler's algorithm, as the controller manager runs it.

https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/ describes it;
what that leaves open is in kubernetes/kubernetes, pkg/controller/podautoscaler. Times are seconds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

# Defaults of kube-controller-manager (--horizontal-pod-autoscaler-...).
SYNC = 15.0  # sync-period
TOLERANCE = 0.1  # tolerance
INITIALIZATION = 300.0  # cpu-initialization-period
READINESS_DELAY = 30.0  # initial-readiness-delay


@dataclass(frozen=True)
class Sample:
    """What a pod used, on average over a window that ended at a time."""

    value: float
    at: float
    window: float


@dataclass
class Pod:
    """What the autoscaler knows of a pod; `sample` is None while the metrics API has none."""

    started: float = math.inf  # until then it is Pending
    ready: bool = False
    changed: float = math.inf  # when `ready` last did
    sample: Sample | None = None

    def counts(self, now: float) -> bool:
        """Whether the CPU sample tells of load, not of a start (groupPods).

        In the first 5 minutes only a whole window since the pod became ready does.
        """
        if self.started + INITIALIZATION > now:
            return self.ready and self.sample.at >= self.changed + self.sample.window
        return self.ready or self.changed >= self.started + READINESS_DELAY


@dataclass(frozen=True)
class Target:
    """What a metric should be on average: a share of `whole`, the CPU request or 1."""

    share: float
    whole: float = 1.0
    cpu: bool = True


@dataclass(frozen=True)
class Rules:
    """One direction of spec.behavior; a policy is its type, value and period."""

    window: float
    policies: tuple[tuple[str, int, float], ...]


@dataclass(frozen=True)
class Settings:
    """What a HorizontalPodAutoscaler says."""

    least: int
    most: int
    targets: tuple[Target, ...]
    up: Rules
    down: Rules

    @classmethod
    def read(cls, spec: dict[str, Any], request: float) -> "Settings":
        """Take them from a manifest; `request` is the CPU request in cores."""
        targets = []
        for metric in spec["metrics"]:
            if metric["type"] == "ContainerResource":
                percent = metric["containerResource"]["target"]["averageUtilization"]
                targets.append(Target(percent / 100, request))
            else:
                milli = metric["pods"]["target"]["averageValue"].removesuffix("m")
                targets.append(Target(int(milli) / 1000, cpu=False))
        up, down = (rules(spec["behavior"][way]) for way in ("scaleUp", "scaleDown"))
        return cls(spec["minReplicas"], spec["maxReplicas"], tuple(targets), up, down)


def rules(spec: dict[str, Any]) -> Rules:
    policies = ((p["type"], p["value"], p["periodSeconds"]) for p in spec["policies"])
    return Rules(spec["stabilizationWindowSeconds"], tuple(policies))


def proposal(pods: Sequence[Pod], current: int, target: Target, now: float) -> int | None:
    """Return how many pods one metric asks for; None if it says nothing.

    GetResourceReplicas and calcPlainMetricReplicas in replica_calculator.go.
    """
    running = [pod for pod in pods if pod.started <= now]
    missing = sum(pod.sample is None for pod in running)
    sampled = [pod for pod in running if pod.sample]
    counted = [pod for pod in sampled if not target.cpu or pod.counts(now)]
    unready = len(pods) - missing - len(counted)
    if not counted:
        return None
    total = sum(pod.sample.value for pod in counted)
    first = ratio(total, len(counted), target)
    if not missing and not (unready and first > 1):
        return current if near(first) else up_to(first * len(counted))
    # As if those without a sample would bring the average nearer to what is wanted.
    number = len(counted) + missing
    if first > 1:
        number += unready
    else:
        assumed = max(1.0, target.share) if target.cpu else target.share
        total += missing * assumed * target.whole
    second = ratio(total, number, target)
    wanted = up_to(second * number)
    turned = (first < 1 < second) or (second < 1 < first)
    crossed = (second < 1 and wanted > current) or (second > 1 and wanted < current)
    return current if near(second) or turned or crossed else wanted


def ratio(total: float, number: int, target: Target) -> float:
    """Compare an average with its target, in whole percent or thousandths as the API does."""
    if target.cpu:
        return math.floor(100 * total / (number * target.whole) + 1e-9) / (100 * target.share)
    return math.floor(1000 * total / number + 1e-9) / (1000 * target.share)


def near(value: float) -> bool:
    return abs(1 - value) <= TOLERANCE + 1e-12


def up_to(value: float) -> int:
    return math.ceil(value - 1e-9)


@dataclass
class Autoscaler:
    """Turns what metrics ask for into a number of pods, and remembers (horizontal.go)."""

    settings: Settings
    asked: list[tuple[float, int]] = field(default_factory=list)
    added: list[tuple[float, int]] = field(default_factory=list)
    removed: list[tuple[float, int]] = field(default_factory=list)

    def decide(self, now: float, current: int, proposals: Sequence[int | None]) -> int:
        """Return how many pods there should be; the largest proposal counts."""
        known = [each for each in proposals if each is not None]
        wanted = max(known, default=current)
        if wanted < current and len(known) < len(proposals):
            return current  # a metric that cannot be read may ask for more
        wanted = self._stable(now, current, wanted)
        if wanted > current:
            top = self._limit(now, current, self.settings.up, self.added, +1)
            wanted = min(wanted, self.settings.most, max(top, current))
            self.added.append((now, wanted - current))
        elif wanted < current:
            bottom = self._limit(now, current, self.settings.down, self.removed, -1)
            wanted = max(wanted, self.settings.least, min(bottom, current))
            self.removed.append((now, current - wanted))
        return wanted

    def _stable(self, now: float, current: int, wanted: int) -> int:
        up = wanted >= current
        window = (self.settings.up if up else self.settings.down).window
        recent = [number for at, number in self.asked if at > now - window]
        self.asked.append((now, wanted))
        return (min if up else max)([wanted, *recent])

    @staticmethod
    def _limit(
        now: float, current: int, rules: Rules, events: list[tuple[float, int]], way: int
    ) -> int:
        """The most that any policy allows, from what there was when its period began."""
        limits = []
        for kind, value, period in rules.policies:
            began = current - way * sum(number for at, number in events if at > now - period)
            if kind == "Pods":
                limits.append(began + way * value)
            elif way > 0:
                limits.append(up_to(began * (1 + value / 100)))
            else:
                limits.append(int(began * (1 - value / 100)))
        return max(limits) if way > 0 else min(limits)
