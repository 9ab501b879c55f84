"""Find how many requests a pod should serve at once: make tune URL=/api/orders/1.

What is sent is said as for `make load`: METHOD, BODY or BODY_FILE, and TYPE. Runs the service here
with more slots at each step, each kept busy by a client that waits for its answers, until more
slots serve no more. Settings are taken from the environment, as in `make run`.
"""

import http.client
import json
import os
import resource
import subprocess
import sys
import tempfile
from dataclasses import fields

from local.advice import Step, advice, busy
from local.clients import Request
from local.load import asked
from local.machine import spent
from local.steps import Failure
from service.config import Config
from tests.runtime.gunicorn_process import OURS, Gunicorn
from tests.runtime.raw import metric

STEPS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SECONDS = 3.0  # of load at each step
WARM_UP = 0.5  # seconds: the first requests import and connect
GAIN = 1.1  # a step that serves less than this times the best so far is one of too many
TIMEOUT = "30"  # seconds a client waits: slow is a result too


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
        service, clients, machine = cpu_of(server), cpu_of_clients(), spent()
        result = load(server, request, concurrency, seconds)
        machine = spent().since(machine)
        service, clients = cpu_of(server) - service, cpu_of_clients() - clients
        served = result["outcomes"].get(str(status))
        if served is None or len(result["outcomes"]) > 1:
            counts = {outcome: found["count"] for outcome, found in result["outcomes"].items()}
            raise Failure(
                f"{request.method} {request.path} answered {status} once, and with {concurrency} "
                f"slots {counts}; make tune sends it again and again: take one that can be repeated"
            )
        took = result["seconds"]
        return Step(
            *(concurrency, served["rate"], served["p50"], served["p99"], service / took),
            others=max(0.0, machine.computed - service - clients) / took,
            idle=machine.idle / ((machine.computed + machine.idle) or 1.0),
        )


def cpu_of(server: Gunicorn) -> float:
    """Return the seconds of CPU that the service has used."""
    return metric(server.management, "process_cpu_seconds_total")


def cpu_of_clients() -> float:
    """Return the seconds of CPU of clients that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


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


def main(
    request: Request,
    arguments: tuple[str, ...] = OURS,
    seconds: float = SECONDS,
    counts: tuple[int, ...] = STEPS,
) -> None:
    """Print each step and the advice."""
    print("CONCURRENCY  requests/s   p50 ms   p99 ms  CPU core")
    steps: list[Step] = []
    useless = 0  # steps in a row that served no more
    for concurrency in counts:
        best = max((step.rate for step in steps), default=0.0)
        steps.append(measure(request, concurrency, seconds, arguments))
        print(steps[-1], flush=True)
        useless = 0 if steps[-1].rate >= GAIN * best else useless + 1
        if useless == 2:  # one alone may be an accident
            break
    print(busy(steps) or advice(steps, counts[-1]))


if __name__ == "__main__":
    try:
        main(asked(dict(os.environ)))
    except Failure as failure:
        sys.exit(f"make tune: {failure}")
