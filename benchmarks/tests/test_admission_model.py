"""Admission in simulation: benchmarks/model. A part of its matrix, and what users complained of."""

import math

import pytest

from benchmarks.model.load import Clients
from benchmarks.model.matrix import PATIENCE, Cell, choose, measure, ours, row
from benchmarks.model.processor import Processor

SECONDS = 6


@pytest.mark.parametrize("quota", [math.inf, 0.5])
@pytest.mark.parametrize("handler", ["c6+w94", "c20", "c100", "w50", "w100+c10", "1:c8+w150,2:w20"])
def test_as_many_clients_as_slots(handler, quota):
    """None is refused, and they get what stock gunicorn gives them, but for chance."""
    found = row(Cell(handler, None, quota), 10)

    assert found.ours.refused == 0
    assert found.ours.goodput >= 0.9 * found.best


@pytest.mark.parametrize(
    ("handler", "factor", "share"),
    [
        ("w100", 3, 0.95),
        ("c20", 3, 0.85),
        ("c20", 10, 0.85),
        ("c6+w94", 3, 0.85),
        ("w100+c10", 3, 0.8),
    ],
)
def test_goodput_in_overload(handler, factor, share):
    found = row(Cell(handler, factor), SECONDS)

    assert found.ours.goodput >= share * found.best


def test_a_pod_with_room_refuses_nobody():
    """40 requests a second that take a quarter of the CPU."""
    found = measure(ours, Cell("c6+w94", 0.25), 40, 10)

    assert found.refused == 0
    assert found.goodput == pytest.approx(40, rel=0.2)


def test_bursts_after_an_overload():
    processor = Processor(1)
    clients = Clients(processor, ours(processor))
    clients.open(lambda now: 200.0, 5, choose("w280"))
    moments = [20.0, 21.0, 22.0]
    for moment in moments:
        clients.burst(moment, 45, choose("w20"))
    processor.run(24)

    burst = [answer for answer in clients.answers if answer.sent >= moments[0]]
    assert any(answer.status == 503 for answer in clients.answers)
    assert len(burst) == 135
    assert all(answer.status == 200 and answer.took <= PATIENCE for answer in burst)
