"""The servers that the matrix compares, each as a function of the processor it runs on."""

from collections.abc import Callable, Mapping
from typing import Any

from service.runtime.admission import Admission

from .codel import CodelQueue
from .limits import SLOTS, Aimd, Algorithm, Envoy, Fixed, Gate, Gradient2, LoopLag, Vegas
from .pod import Pod, Stock
from .processor import Processor

QUEUE_LENGTH, QUEUE_TIMEOUT = 32, 0.3
LIMITS = (1, 2, 4, 8, 16)
Start = Callable[[Processor], Any]


def admission(processor: Processor, limit: int = SLOTS) -> Admission:
    """Return ours, on the processor's clock."""
    usage = lambda: (processor.used, 0)  # noqa: E731
    return Admission(limit, QUEUE_LENGTH, QUEUE_TIMEOUT, SLOTS + 48, usage)


def ours(processor: Processor) -> Pod:
    """Return our server."""
    return Pod(processor, admission(processor))


def stock(processor: Processor) -> Stock:
    """Return gunicorn's gthread."""
    return Stock(processor, SLOTS)


def codel(processor: Processor) -> Pod:
    """Return one with all slots, and a queue of its own."""
    return Pod(processor, CodelQueue(SLOTS, QUEUE_LENGTH))


def limited(processor: Processor, algorithm: Algorithm, limit: int = SLOTS) -> Pod:
    """Return one with our queue and another limit in place of our gate."""
    queue = admission(processor, limit)
    queue.gate = Gate(algorithm)  # type: ignore[assignment]
    return Pod(processor, queue)


def fixed(limit: int) -> Start:
    """Return one that lets so many run."""
    return lambda processor: limited(processor, Fixed(limit), limit)


def loop_lag(processor: Processor) -> Pod:
    """Return one that asks its event loop for how late it is, again and again."""
    algorithm = LoopLag()
    pod = limited(processor, algorithm)

    def ask() -> None:
        asked = processor.now
        pod.probe(lambda now: algorithm.observe(now - asked))
        processor.at(asked + algorithm.EVERY, ask)

    ask()
    return pod


COMPARED: Mapping[str, Start] = {
    "ours": ours,
    "gthread": stock,
    **{f"limit {limit}": fixed(limit) for limit in LIMITS},
    "CoDel": codel,
    "AIMD": lambda processor: limited(processor, Aimd()),
    "Vegas": lambda processor: limited(processor, Vegas(processor.random)),
    "Gradient2": lambda processor: limited(processor, Gradient2()),
    "Envoy": lambda processor: limited(processor, Envoy()),
    "loop lag": loop_lag,
}
YARDSTICKS = ("gthread", *(f"limit {limit}" for limit in LIMITS))
