"""The HorizontalPodAutoscaler's algorithm, as the controller manager runs it.

https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/ describes it;
what that leaves open is in kubernetes/kubernetes, pkg/controller/podautoscaler. Times are seconds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

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
    """What a metric should be on average: a share of `whole`, the CPU request or 1.

    One that is not CPU is external: the autoscaler gets it as a sum over all pods.
    """

    share: float
    whole: float = 1.0
    cpu: bool = True


def proposal(pods: Sequence[Pod], current: int, target: Target, now: float) -> int | None:
    """Return how many pods the CPU asks for; None if it says nothing.

    GetResourceReplicas and calcPlainMetricReplicas in replica_calculator.go.
    """
    running = [pod for pod in pods if pod.started <= now]
    missing = sum(pod.sample is None for pod in running)
    sampled = [pod for pod in running if pod.sample]
    counted = [pod for pod in sampled if pod.counts(now)]
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
        total += missing * max(1.0, target.share) * target.whole
    second = ratio(total, number, target)
    wanted = up_to(second * number)
    turned = (first < 1 < second) or (second < 1 < first)
    crossed = (second < 1 and wanted > current) or (second > 1 and wanted < current)
    return current if near(second) or turned or crossed else wanted


def external(total: float, current: int, target: Target) -> int:
    """Return how many pods an external metric asks for: GetExternalPerPodMetricReplicas."""
    whole = ratio(total, 1, target)
    return current if near(whole / current) else up_to(whole)


def ratio(total: float, number: int, target: Target) -> float:
    """Compare an average with its target, in whole percent or thousandths as the API does."""
    if target.cpu:
        return math.floor(100 * total / (number * target.whole) + 1e-9) / (100 * target.share)
    return math.floor(1000 * total / number + 1e-9) / (1000 * target.share)


def near(value: float) -> bool:
    return abs(1 - value) <= TOLERANCE + 1e-12


def up_to(value: float) -> int:
    return math.ceil(value - 1e-9)
