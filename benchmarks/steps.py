"""An app whose requests do what their path says: /c6+w94 computes for 6 ms, then waits for 94.

c computes in Python, w waits, h holds the interpreter. Several with a comma take turns by weight:
/1:c8+w150,2:w20.
"""

import random
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsgiref.types import StartResponse

COUNT = 300_000


def hold_seconds() -> float:
    """Return what an item of a sum costs: C code that gives the interpreter to nobody meanwhile."""
    began = time.thread_time()
    sum(range(COUNT))
    return (time.thread_time() - began) / COUNT


ITEM = min(hold_seconds() for _ in range(5))


def compute(seconds: float) -> None:
    """Use the CPU, in Python."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        for _ in range(200):
            pass


def hold(seconds: float) -> None:
    """Use the CPU, in C, with the interpreter."""
    sum(range(int(seconds / ITEM)))


STEPS: dict[str, Callable[[float], Any]] = {"c": compute, "w": time.sleep, "h": hold}


def application(environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
    """Answer after all steps."""
    routes = [route.rpartition(":") for route in environ["PATH_INFO"].strip("/").split(",")]
    weights = [float(weight or 1) for weight, _, _ in routes]
    steps = random.choices(routes, weights)[0][2]  # noqa: S311
    for step in filter(None, steps.split("+")):
        STEPS[step[0]](float(step[1:]) / 1000)
    start_response("200 OK", [("Content-Length", "3")])
    return [b"ok\n"]
