"""How the threads and the event loop share the interpreter while requests queue."""

from types import SimpleNamespace

import pytest

from service.runtime.worker import PodWorker


@pytest.mark.parametrize("cut_short", [False, True])
def test_a_turn_that_was_cut_short_goes_on_at_once(cut_short):
    """The threads sleep, and clients wait for their refusals."""
    turns = []
    admission = SimpleNamespace(waiting=[1], beat=0.002, paused=False)
    admission.wait_until_empty = lambda seconds: turns.append("threads")
    loop = SimpleNamespace(is_cut_short=cut_short)
    loop.turn = lambda most: turns.append(("loop", admission.paused, loop.is_cut_short))
    scheduler = SimpleNamespace(start_waiting=lambda: None, make_way=lambda: None)
    scheduler.is_waited_for = lambda: True

    PodWorker.take_turns(SimpleNamespace(admission=admission, loop=loop, scheduler=scheduler))

    assert turns[-1] == ("loop", True, False)
    assert ("threads" in turns) is not cut_short
    assert not admission.paused


def test_nobody_leaves_the_queue_while_the_last_connections_enter_it():
    calls = []
    admission = SimpleNamespace(paused=False)

    def accept(port, listener):
        calls.append((listener, admission.paused))
        return len(calls) == 3  # none is left

    worker = SimpleNamespace(admission=admission, main=None, sockets=["listener"])
    worker.loop = SimpleNamespace(accept=accept)
    worker.scheduler = SimpleNamespace(start_waiting=lambda: calls.append(admission.paused))

    PodWorker.take_last(worker)

    assert calls == [("listener", True), False] * 2
    assert not worker.loop.taking
