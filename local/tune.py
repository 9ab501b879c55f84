"""Find how many requests a pod should serve at once: make tune URL=/api/orders/1.

What is sent is said as for `make load`: METHOD, BODY or BODY_FILE, and TYPE. Runs the service here
with more slots at each step, each kept busy by a client that waits for its answers, until more
slots serve no more. Settings are taken from the environment, as in `make run`.
"""

import http.client
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, fields

from local.load import Request, asked
from local.steps import Failure
from service.config import Config
from tests.runtime.gunicorn_process import OURS, Gunicorn
from tests.runtime.raw import metric

STEPS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SECONDS = 3.0  # of load at each step
WARM_UP = 0.5  # seconds: the first requests import and connect
GAIN = 1.1  # a step that serves less than this times the best so far is one of too many
NEAR = 0.9  # of the best is as good: fewer slots, shorter waits
COMPUTES = 0.5  # of a core busy at some step: what limits is the CPU, if nobody else uses it
ALONE = 0.75  # of a core busy with one client: its requests compute, and hardly wait
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


def first_status(port: int, request: Request) -> int:
    """Return the status of one answer; raises Failure for what cannot be measured."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=float(TIMEOUT))
    try:
        connection.request(request.method, request.path, request.body, request.headers)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as problem:
        what = f"{request.method} {request.path} has no whole answer"
        raise Failure(f"{what}: {problem}") from None
    finally:
        connection.close()
    what = f"{request.method} {request.path} answers"
    if answer.status // 100 != 2:
        raise Failure(f"{what} {answer.status}; make tune URL=/a/path that answers 2xx")
    if answer.chunked:
        raise Failure(f"{what} with a stream; make tune URL=/a/path that answers all at once")
    if request.method == "HEAD":
        raise Failure("HEAD has no body to wait for; make tune METHOD=GET")
    return answer.status


def raw(request: Request) -> bytes:
    """Return the bytes of a request, for a connection that is kept."""
    length = {} if request.body is None else {"Content-Length": str(len(request.body))}
    headers = {"Host": "localhost", **request.headers, **length, "Connection": "keep-alive"}
    lines = [f"{request.method} {request.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + (request.body or b"")


def measure(request: Request, concurrency: int, seconds: float, arguments: tuple[str, ...]) -> Step:
    """Serve with so many slots, and one client for each."""
    names = {field.name.upper() for field in fields(Config)} - {"PORT", "MANAGEMENT_PORT"}
    given = {name: value for name, value in os.environ.items() if name in names}
    settings = {**given, "CONCURRENCY": str(concurrency), "LOG_LEVEL": "info"}
    with Gunicorn(*arguments, **settings) as server:
        status = first_status(server.port, request)
        load(server, request, concurrency, WARM_UP)
        before = metric(server.management, "process_cpu_seconds_total")
        result = load(server, request, concurrency, seconds)
        cpu = metric(server.management, "process_cpu_seconds_total") - before
        served = result["outcomes"].get(str(status))
        if served is None or len(result["outcomes"]) > 1:
            counts = {outcome: found["count"] for outcome, found in result["outcomes"].items()}
            raise Failure(
                f"{request.method} {request.path} answered {status} once, and with {concurrency} "
                f"slots {counts}; make tune sends it again and again: take one that can be repeated"
            )
        took = result["seconds"]
        return Step(concurrency, served["rate"], served["p50"], served["p99"], cpu / took)


def load(server: Gunicorn, request: Request, clients: int, seconds: float) -> dict:
    """Return what so many clients saw that wait for their answers."""
    command = (sys.executable, "-m", "tests.runtime.load", str(server.port), request.path, "closed")
    with tempfile.NamedTemporaryFile() as file:
        file.write(raw(request))
        file.flush()
        environ = {**os.environ, "CLIENT_TIMEOUT": TIMEOUT, "REQUEST_FILE": file.name}
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
    if steps[0].cpu >= ALONE and step is steps[0]:
        return (
            f"This path computes: a pod serves {step.rate:.0f}/s of it, whatever CONCURRENCY is. "
            "Leave that as it is, for paths that wait.\nThe CPU is the limit: more pods serve more."
        )
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
    request: Request,
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
        steps.append(measure(request, concurrency, seconds, arguments))
        print(steps[-1], flush=True)
        idle = 0 if steps[-1].rate >= GAIN * best else idle + 1
        if idle == 2:  # one alone may be an accident
            break
    print(advice(steps, counts[-1]))


if __name__ == "__main__":
    try:
        main(asked(dict(os.environ)))
    except Failure as failure:
        sys.exit(f"make tune: {failure}")
