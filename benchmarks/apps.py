"""The handlers that servers of the benchmarks run. Any server whose Python has Flask can import it.

steps: the path says what a request does. /c6+w94 computes for 6 ms, then waits for 94. c computes
in Python, w waits, h holds the interpreter.
"""

import os
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Blueprint, Flask

COUNT = 300_000


def hold_seconds() -> float:
    """Return the seconds of an item of a sum: C code that keeps the interpreter to itself."""
    began = time.thread_time()
    sum(range(COUNT))
    return (time.thread_time() - began) / COUNT


ITEM = float(os.environ.get("HOLD_ITEM", 0)) or min(hold_seconds() for _ in range(5))


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


def take(steps: str = "") -> str:
    """Answer after all steps."""
    for step in filter(None, steps.split("+")):
        STEPS[step[0]](float(step[1:]) / 1000)
    return "ok\n"


def endpoints() -> "Blueprint":
    """Return the routes, for any app of Flask."""
    from flask import Blueprint

    blueprint = Blueprint("steps", __name__)
    blueprint.add_url_rule("/", view_func=take)
    blueprint.add_url_rule("/<path:steps>", view_func=take)
    return blueprint


def bare_steps() -> "Flask":
    """Return Flask with them, and nothing else."""
    from flask import Flask

    app = Flask(__name__)
    app.register_blueprint(endpoints())
    return app


def steps() -> "Flask":
    """Return hellopod with them in place of its own."""
    import service

    return service.create_app(endpoints=endpoints())


def steps_without_gate() -> "Flask":
    """Return steps, with hellopod's gate held open: CONCURRENCY alone limits."""
    from service.computing.gate import ComputeGate

    ComputeGate.admits = lambda *_: True  # type: ignore[method-assign]
    return steps()


def with_occupied() -> "Flask":
    """Return hellopod with a handler that keeps its slot, and one that reads JSON."""
    from flask import request

    import service

    app = service.create_app()
    app.add_url_rule("/echo", "echo_json", lambda: request.json, methods=["POST"])
    app.add_url_rule("/occupy/<int:port>", "occupy", occupy)
    return app


def occupy(port: int) -> dict[str, Any]:
    """Connect to a port of this machine, and stay until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port)) as caller:
        caller.recv(1)
    return {}
