"""Faults that concern the request that asks for them: slow, stuck, trickling or failing answers."""

import random
import time
from collections.abc import Iterator

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from service.amounts import longest, most_bytes, number, seconds, weighted_codes, whole

bp = Blueprint("request_faults", __name__)

METHODS = ["GET", "POST"]
NAP = 1.0  # seconds: a sleeping thread looks this often whether it is time
SHORTEST_INTERVAL = 0.01  # seconds: bounds the chunks of a stream by its time
CHUNK = b"." * 63 + b"\n"
LARGEST_CHUNK = 65536  # bytes: what a stream at a rate has in memory
TICK = 0.1  # seconds between two chunks of it, if its rate needs no more


@bp.route("/wait", methods=METHODS)
def wait() -> Response:
    """Answer after some seconds, like a handler that waits for somebody else."""
    amount = seconds(default=1.0)
    time.sleep(amount)
    return jsonify(waited=amount)


@bp.route("/cpu", methods=METHODS)
def cpu() -> Response:
    """Answer when this thread has computed for some seconds of CPU time."""
    amount = seconds(default=0.1)
    end = time.thread_time() + amount
    while time.thread_time() < end:
        sum(range(1000))
    return jsonify(burned=amount)


@bp.route("/hang", methods=METHODS)
def hang() -> Response:
    """Do nothing and answer nothing, for as long as is allowed unless told otherwise."""
    amount = seconds(default=longest())
    end = time.monotonic() + amount
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, NAP))
    return jsonify(hung=amount)


@bp.route("/stream", methods=METHODS)
def stream() -> Response:
    """Send small chunks with an interval between each two, or bytes at a rate."""
    if "rate" in request.args:
        body = at_rate(whole("rate", 0, 1, most_bytes()), seconds(default=1.0))
    else:
        interval = number("interval", 0.1, SHORTEST_INTERVAL, longest())
        body = in_chunks(whole("chunks", 10, 1, 1 + int(longest() / interval)), interval)
    return Response(body, mimetype="text/plain")


def in_chunks(chunks: int, interval: float) -> Iterator[bytes]:
    """Yield chunks, the first one at once."""
    for left in range(chunks, 0, -1):
        yield CHUNK
        time.sleep(interval if left > 1 else 0)


def at_rate(rate: int, duration: float) -> Iterator[bytes]:
    """Yield so many bytes a second; what a slow client has missed follows when it reads again."""
    block = CHUNK * (LARGEST_CHUNK // len(CHUNK))
    sent, total = 0, int(rate * duration)
    start = time.monotonic()
    while sent < total:
        due = min(total, int(rate * (time.monotonic() - start)))
        if due == sent:
            time.sleep(TICK)
        else:
            chunk = block[: due - sent]
            yield chunk
            sent += len(chunk)


@bp.route("/status/<codes>", methods=METHODS)
def status(codes: str) -> Response:
    """Answer with a status code, by weight if there are several; from 400 on as any error."""
    [code] = random.choices(*weighted_codes(codes))  # noqa: S311
    if code < 400:
        return Response(status=code)
    raise error(code)


def error(code: int) -> HTTPException:
    """Make an error that is no accident; unlike abort() with any code."""
    asked_for = HTTPException("As asked for.")
    asked_for.code = code
    return asked_for
