"""Several calls at once: one after the other, the first that hangs takes the time of the rest."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

Found = TypeVar("Found")


def side_by_side(calls: Sequence[Callable[[], Found]]) -> list[Found]:
    """Make all calls at once, and return what they return, in their order.

    Each has the request's context, and so its deadline, id and trace. One is made in this thread,
    the others in threads that end with it. Raises what the first of them raises, when all are done.
    """
    if not calls:
        return []
    *others, last = calls
    if not others:
        return [last()]
    with ThreadPoolExecutor(len(others)) as threads:
        under_way = [threads.submit(copy_context().run, call) for call in others]
        found = last()
        return [*(each.result() for each in under_way), found]
