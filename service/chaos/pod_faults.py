"""Faults of the pod: they outlast the request or hit others, so a POST alone causes them.

A GET may be repeated by any proxy that had no answer (RFC 9110 section 9.2.2), and then it hits the
next pod too.
"""

import logging
import mmap
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flask import Blueprint, Response, abort, current_app, jsonify, request

from service import health, metrics
from service.amounts import most_bytes, number, refuse, seconds, whole, whole_of
from service.chaos.request_faults import error
from service.state import Failing, PodState

bp = Blueprint("pod_faults", __name__)

# What must stay true while everything else fails, so that one can see what happens.
SPARED = {*health.PATHS, metrics.PATH, "/api/identity"}
DEFAULT_BYTES = 1 << 20
PIECE = b"x" * (1 << 16)  # written at once; small, as every pod holds it without any fault


@bp.post("/readiness/<state>")
def readiness(state: str) -> Response:
    """Switch the readiness of the whole pod off, and on again; a new worker finds it as it was."""
    if state not in ("on", "off"):
        refuse("state", state, "on or off")
    pod_state().switched_off = state == "off"
    return jsonify(readiness=state)


@bp.post("/memory")
def memory() -> Response:
    """Grow by some bytes and hold them for some seconds, or until the kernel kills somebody."""
    amount = whole("bytes", min(DEFAULT_BYTES, most_bytes()), 1, most_bytes())
    duration = seconds(default=10.0)
    with held.reserve(amount, most_bytes()):
        try:
            pages = mmap.mmap(-1, amount, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except OSError as problem:  # a container may be forbidden to promise what it lacks
            abort(503, f"No memory: {problem.strerror}.")
        with pages:
            while left := amount - pages.tell():
                pages.write(PIECE[:left])  # or there is no memory behind the addresses
            time.sleep(duration)
    return jsonify(held=amount)


class Held:
    """How many bytes requests hold, all together."""

    def __init__(self) -> None:
        self._bytes = 0
        self._lock = threading.Lock()

    @contextmanager
    def reserve(self, amount: int, most: int) -> Iterator[None]:
        """Hold some for the length of the block; answers 409 if others hold too many."""
        with self._lock:
            if amount > most - self._bytes:
                abort(409, f"Other requests hold {self._bytes} of {most} bytes.")
            self._bytes += amount
        try:
            yield
        finally:
            with self._lock:
                self._bytes -= amount


held = Held()


@bp.post("/fail")
def fail() -> Response:
    """Fail a share of the pod's requests for some seconds; a new worker goes on with it."""
    share = number("share", 1.0, 0, 1)
    status = whole("status", 500, 400, 599)
    duration = seconds(default=10.0)
    pod_state().failing = Failing(share, time.monotonic() + duration, status)
    return jsonify(share=share, status=status, seconds=duration)


def fail_some() -> None:
    """Fail this request if it is one of the share."""
    failing = pod_state().failing
    if time.monotonic() >= failing.until or random.random() >= failing.share:  # noqa: S311
        return
    if request.path not in SPARED and not request.path.startswith("/chaos/"):
        raise error(failing.status)


@bp.post("/kill")
def kill() -> tuple[Response, int]:
    """Kill the worker with SIGKILL, once the answer is sent."""
    worker = os.getpid()
    current_app.logger.warning("worker %d kills itself, as asked for", worker)
    return and_then(lambda: os.kill(worker, signal.SIGKILL), killed=worker)


@bp.post("/exit/<code>")
def leave(code: str) -> tuple[Response, int]:
    """End the container with an exit code at once, once the answer is sent."""
    number = whole_of("code", code, 0, 255)
    state = pod_state()

    def end() -> None:
        state.exit_code = number
        os._exit(0)  # gunicorn's master has a meaning of its own for some other codes

    return and_then(end, exit_code=number)


def and_then(end: Callable[[], None], **what: int) -> tuple[Response, int]:
    """Answer 202, and do it when the client has the answer and the log its record."""

    def flush_and_end() -> None:
        for handler in logging.getLogger().handlers:  # another thread may have the record yet
            handler.flush()
        end()

    response = jsonify(what)
    response.call_on_close(flush_and_end)
    return response, 202


def pod_state() -> PodState:
    """Return what the workers of this pod share."""
    state: PodState = current_app.extensions["pod_state"]
    return state
