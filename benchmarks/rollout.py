"""Rollouts under load, starts and memory of pods on kind: python -m benchmarks.rollout

hellopod as it is shipped beside the tutorial's app in the Deployment that most tutorials show, on
one cluster, in turn. The load is open loop, from a pod, and the requests are for / alone, because
the tutorial's app has nothing else. About four minutes.
"""

import sys
import time
from collections.abc import Iterator, Sequence

from tests.e2e.generator import Generator
from tests.e2e.starting import start_to_ready
from tests.e2e.waiting import eventually

from . import kind
from .comparison import OURS, Comparison, Goal, interleaved
from .image import AT_REST

RESTARTS, STARTS = 2, 3  # of each
RATE = 100  # requests a second, half of them on connections that are kept
BEFORE, AFTER = 3, 5  # seconds of load around a rollout
REST = 30  # seconds: the kubelet looks every ten
GET = [["GET", "/"]]
STREAMS = [{"rate": RATE / 2, "requests": GET, "pool": 50}, {"rate": RATE / 2, "requests": GET}]
NONE_FAILED = Goal(OURS, at_most=0, of="value")
SOON_READY = Goal(OURS, at_most=2, of="value")


def failed(generator: Generator, deployed: kind.Deployed) -> float:
    """Return how many requests a rollout costs; prints what became of them."""
    with generator.running(deployed.app.address(), 80, streams=STREAMS, timeout=10) as load:
        time.sleep(BEFORE)
        deployed.restart()
        time.sleep(AFTER)
    load.assert_on_time()
    print(f"{deployed.name}: {load.sent} requests in a rollout: {load.failures or 'none failed'}")
    return load.sent - load.count("2xx")


def memory(deployed: Sequence[kind.Deployed]) -> Comparison:
    """Return the working set of each pod at rest."""
    time.sleep(REST)
    values = {each.name: eventually(lambda each=each: two(each), seconds=REST) for each in deployed}
    return Comparison("memory of a pod at rest", "MiB", values, (AT_REST,))


def two(deployed: kind.Deployed) -> list[float]:
    found = list(deployed.working_sets().values())
    assert len(found) == 2, f"the kubelet knows {len(found)} of two pods"
    return found


def starts(deployed: Sequence[kind.Deployed], rounds: int) -> Comparison:
    """Return the time from a container's start to Ready, of pods started one by one."""
    measurements = {
        each.name: lambda each=each: start_to_ready(each.app, each.cluster)[1] for each in deployed
    }
    values = interleaved(measurements, rounds)
    return Comparison("container start to Ready", "s", values, (SOON_READY,))


def rollouts(generator: Generator, deployed: Sequence[kind.Deployed], rounds: int) -> Comparison:
    """Return the failed requests of each rollout."""
    measurements = {each.name: lambda each=each: failed(generator, each) for each in deployed}
    values = interleaved(measurements, rounds)
    what = f"failed requests in a rollout at {RATE} requests/s"
    return Comparison(what, "requests", values, (NONE_FAILED,), of="difference")  # of 0 no ratio


def measure(restarts: int = RESTARTS, begun: int = STARTS) -> Iterator[Comparison]:
    """Yield each of the three when it is there; nothing without kind, kubectl and Docker."""
    if why_not := kind.why_not():
        print(f"rollouts: left out: {why_not}", file=sys.stderr)
        return
    with kind.cluster() as cluster:
        deployed = (kind.ours(cluster), kind.tutorial(cluster))
        yield memory(deployed)
        yield starts(deployed, begun)
        yield rollouts(kind.generator(deployed[0]), deployed, restarts)


if __name__ == "__main__":
    for comparison in measure(*map(int, sys.argv[1:3])):
        print(comparison.table())
