"""Find how many requests a pod should serve at once: make tune URL=/api/orders/1.

Runs the service here with more slots at each step, each kept busy by a client that waits for its
answers, until more slots serve no more. Settings are taken from the environment, as in `make run`.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, fields

from service.config import Config
from tests.runtime.gunicorn_process import OURS, Gunicorn
from tests.runtime.raw import get, metric

STEPS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SECONDS = 3.0  # of load at each step
WARM_UP = 0.5  # seconds: the first requests import and connect
GAIN = 1.1  # a step that serves less than this times the best so far is one of too many
NEAR = 0.9  # of the best is as good: fewer slots, shorter waits
COMPUTES = 0.5  # of a core busy at some step: what limits is the CPU, if nobody else uses it
TIMEOUT = "30"  # seconds a client waits: slow is a result too


@dataclass(frozen=True)
class Step:
    """What so many slots served; times in seconds, CPU in cores."""

    concurrency: int
    rate: float
    p50: float
    p99: float
    cpu: float

    def __str__(self) -> str:
        """Return its line of the table."""
        return (
            f"{self.concurrency:11d} {self.rate:11.0f} {1000 * self.p50:8.1f} "
            f"{1000 * self.p99:8.1f} {self.cpu:9.0%}"
        )


def measure(path: str, concurrency: int, seconds: float, arguments: tuple[str, ...]) -> Step:
    """Serve with so many slots, and one client for each."""
    names = {field.name.upper() for field in fields(Config)} - {"PORT", "MANAGEMENT_PORT"}
    given = {name: value for name, value in os.environ.items() if name in names}
    settings = {**given, "CONCURRENCY": str(concurrency), "LOG_LEVEL": "info"}
    with Gunicorn(*arguments, **settings) as server:
        status = get(server.port, path, "Connection: close\r\n", timeout=float(TIMEOUT))[0]
        if status != 200:
            sys.exit(f"tune: GET {path} answers {status}; make tune URL=/a/path that answers 200")
        load(server, path, concurrency, WARM_UP)
        before = metric(server.management, "process_cpu_seconds_total")
        result = load(server, path, concurrency, seconds)
        cpu = metric(server.management, "process_cpu_seconds_total") - before
        served = result["outcomes"].get("200")
        if served is None or len(result["outcomes"]) > 1:
            sys.exit(f"tune: not all answers were 200 with {concurrency} slots: {result}")
        took = result["seconds"]
        return Step(concurrency, served["rate"], served["p50"], served["p99"], cpu / took)


def load(server: Gunicorn, path: str, clients: int, seconds: float) -> dict:
    """Return what so many clients saw that wait for their answers."""
    command = (sys.executable, "-m", "tests.runtime.load", str(server.port), path, "closed")
    environ = {**os.environ, "CLIENT_TIMEOUT": TIMEOUT}
    run = subprocess.run(
        [*command, str(clients), str(seconds)], env=environ, capture_output=True, check=True
    )
    return json.loads(run.stdout)


def recommended(steps: list[Step]) -> Step:
    """Return the fewest slots that serve nearly as much as any."""
    best = max(step.rate for step in steps)
    return next(step for step in steps if step.rate >= NEAR * best)


def advice(steps: list[Step], last: int) -> str:
    """Say what to set, and what limits; `last` is the most slots that would have been tried."""
    step = recommended(steps)
    if max(step.cpu for step in steps) >= COMPUTES:
        why = "The CPU is the limit: more slots serve no more, more pods do."
    elif step.concurrency == last:
        why = "Each slot still adds to it: the limit is what the handlers call."
    else:
        why = "What the handlers wait for is the limit, not the CPU."
    settings = f"CONCURRENCY={step.concurrency} QUEUE_LENGTH={2 * step.concurrency}"
    return (
        f"{settings} is enough for this path, at {step.rate:.0f}/s a pod. {why}\n"
        "All paths share the slots: set the most that any of them needs."
    )


def main(
    path: str,
    arguments: tuple[str, ...] = OURS,
    seconds: float = SECONDS,
    counts: tuple[int, ...] = STEPS,
) -> None:
    """Print each step and the advice."""
    print("CONCURRENCY  requests/s   p50 ms   p99 ms  CPU core")
    steps: list[Step] = []
    idle = 0
    for concurrency in counts:
        best = max((step.rate for step in steps), default=0.0)
        steps.append(measure(path, concurrency, seconds, arguments))
        print(steps[-1], flush=True)
        idle = 0 if steps[-1].rate >= GAIN * best else idle + 1
        if idle == 2:  # one alone may be an accident
            break
    print(advice(steps, counts[-1]))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "/")
