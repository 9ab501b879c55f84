"""Several calls at once: one after the other, the first that hangs takes the time of the rest."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

Found = TypeVar("Found")


def side_by_side(calls: Sequence[Callable[[], Found]]) -> list[Found]:
    """Make all calls at once, and return what they return, in their order.

    Each has the request's context, and so its deadline, id and trace. The first is made in this
    thread, the others in threads that end with it. Where several raise, it raises what the first of
    these did, once all are done.
    """
    if not calls:
        return []
    first, *others = calls
    with ThreadPoolExecutor(len(calls)) as threads:  # len(others) may be 0, and that is refused
        under_way = [threads.submit(copy_context().run, call) for call in others]
        return [first(), *(each.result() for each in under_way)]
