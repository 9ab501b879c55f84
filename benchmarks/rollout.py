"""Rollouts under load, and starts of pods, on kind: python -m benchmarks.rollout

hellopod as it is shipped, beside the tutorial's app and stock gunicorn with 16 threads in the usual
Deployment. The load is open loop, from a pod, for / alone: the tutorial's app has nothing else.
"""

import sys
import time
from collections.abc import Iterator
from functools import partial

from tests.e2e.generator import Generator
from tests.e2e.starting import start_to_ready

from . import docker, kind, servers
from .comparison import OURS, Comparison, Goal, interleaved, show

RESTARTS, STARTS = 2, 2  # of each
RATE = 100  # requests a second, half of them on connections that are kept
BEFORE, AFTER = 3, 5  # seconds of load around a rollout
GET = [["GET", "/"]]
STREAMS = [{"rate": RATE / 2, "requests": GET, "pool": 50}, {"rate": RATE / 2, "requests": GET}]
NONE_FAILED = Goal(OURS, at_most=0, of="value")
SOON_READY = Goal(OURS, at_most=2, of="value")


def failed(generator: Generator, deployed: kind.Deployed) -> float:
    """Return how many requests a rollout costs."""
    with generator.running(deployed.app.address(), 80, streams=STREAMS, timeout=10) as load:
        time.sleep(BEFORE)
        deployed.restart()
        time.sleep(AFTER)
    load.assert_on_time()
    return load.sent - load.count("2xx")


def measure(restarts: int = RESTARTS, starts: int = STARTS) -> Iterator[Comparison]:
    """Yield both comparisons when they are there; nothing without kind, kubectl and Docker."""
    if why_not := docker.why_not("kind", "kubectl"):
        print(f"rollouts: left out: {why_not}", file=sys.stderr)
        return
    with kind.cluster() as cluster:
        deployed = {
            OURS: kind.ours(cluster),
            servers.TUTORIAL.name: kind.reference(cluster, docker.TUTORIAL),
            servers.BARE.name: kind.reference(cluster, docker.BARE),
        }
        turns = {
            name: lambda each=each: start_to_ready(each.app, each.cluster)[1]
            for name, each in deployed.items()
        }
        values = interleaved(turns, starts)
        yield Comparison("container start to Ready", "s", values, (SOON_READY,))
        generator = Generator(deployed[OURS].app, cluster)
        turns = {name: partial(failed, generator, each) for name, each in deployed.items()}
        what = f"failed requests in a rollout at {RATE} requests/s"
        values = interleaved(turns, restarts)
        yield Comparison(what, "requests", values, (NONE_FAILED,), of="difference")  # of 0 no ratio


if __name__ == "__main__":
    show(measure(*map(int, sys.argv[1:3])))
