"""When an overload begins and ends, by the times that are told."""

import math

import pytest

from service.runtime.overload import INTERVAL, LONGEST, MEMORY, Overload

TARGET = 0.3
TICK = 0.01


def come(overload, begun, seconds, waited):
    """Have one come every tick to a full pod, where the first has waited for so long."""
    for number in range(round(seconds / TICK) + 1):
        now = begun + number * TICK
        overload.note_full(now - waited, now)
    return now


@pytest.mark.parametrize(
    ("waited", "seconds", "begins"),
    [(0.29, 60, False), (0.31, INTERVAL - TICK, False), (0.31, INTERVAL, True)],
)
def test_one_begins_where_the_first_waits_for_too_long_for_an_interval(waited, seconds, begins):
    overload = Overload(TARGET)

    now = come(overload, 10, seconds, waited)

    assert overload.is_on(now) is begins


@pytest.mark.parametrize("calm", ["room", "quick"])
def test_the_interval_begins_anew_after_one_that_was_quick(calm):
    overload = Overload(TARGET)
    now = come(overload, 10, 0.4, waited=0.31)
    if calm == "room":
        overload.note_room()
    else:
        overload.note_full(now - 0.1, now)

    now = come(overload, now + TICK, 0.4, waited=0.31)

    assert not overload.is_on(now)
    assert overload.is_on(come(overload, now, 0.11, waited=0.31))


def test_with_a_short_queue_timeout_the_interval_is_twice_as_long():
    overload = Overload(0.1)
    assert not overload.is_on(come(overload, 10, 0.19, waited=0.11))

    assert overload.is_on(come(overload, 10.21, 0, waited=0.11))


def test_one_is_remembered():
    overload = Overload(TARGET)
    overload.begin(10)

    assert overload.is_on(10 + MEMORY - TICK)
    assert not overload.is_on(10 + MEMORY)


def test_one_is_forgotten_after_a_while_whatever_comes():
    overload = Overload(TARGET)
    overload.begin(10)
    on = []
    for number in range(100):
        now = 10 + 0.5 * number
        if overload.is_on(now):
            on.append(now)
            overload.begin(now)

    assert on[-1] == 10 + LONGEST - 0.5


def test_patience():
    overload = Overload(TARGET)
    assert overload.patience(first=10, now=10) == math.inf
    overload.note_full(10, 10)
    assert overload.is_first(10)
    assert overload.patience(first=10, now=10) == pytest.approx(0.3 + 0.5 + 0.3)
    assert overload.patience(first=9.8, now=10) == pytest.approx(0.1 + 0.5 + 0.3)
    overload.note_full(9, 10.1)
    assert not overload.is_first(10.1)
    assert overload.patience(first=9, now=10.1) == pytest.approx(0.3)
    assert overload.patience(first=10.1, now=10.4) == pytest.approx(0.2 + 0.3)
    overload.begin(10.5)
    assert overload.patience(first=10.5, now=10.5) == TARGET
