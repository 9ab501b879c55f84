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
        overload.note_arrival(False, now - waited, now)
    return now


@pytest.mark.parametrize(
    ("waited", "seconds", "begins"),
    [(0.29, 60, False), (0.31, INTERVAL - TICK, False), (0.31, INTERVAL, True)],
)
def test_one_begins_where_the_first_waits_for_too_long_for_an_interval(waited, seconds, begins):
    overload = Overload(TARGET)

    now = come(overload, 10, seconds, waited)

    assert overload.is_on(now) is begins


@pytest.mark.parametrize(("room", "waited"), [(True, 0.31), (True, 0.1), (False, 0.1)])
def test_the_interval_begins_anew_where_there_is_room_or_one_was_quick(room, waited):
    overload = Overload(TARGET)
    now = come(overload, 10, 0.4, waited=0.31)
    overload.note_arrival(room, now - waited, now)

    now = come(overload, now + TICK, 0.4, waited=0.31)

    assert not overload.is_on(now)
    assert overload.is_on(come(overload, now, 0.11, waited=0.31))


@pytest.mark.parametrize(("ago", "begins"), [(0.3, True), (0.6, False)])
def test_room_that_a_refusal_has_made_does_not_count(ago, begins):
    overload = Overload(TARGET)
    now = come(overload, 10, 0.4, waited=0.31)
    overload.note_refusal(now - ago, begins=False)
    overload.note_arrival(True, now - 0.31, now)

    now = come(overload, now + TICK, 0.1, waited=0.31)

    assert overload.is_on(now) is begins


def test_a_refusal_goes_on_with_an_overload_and_begins_none():
    overload = Overload(TARGET)
    overload.note_refusal(10, begins=False)
    assert not overload.is_on(10)
    overload.note_refusal(10, begins=True)
    overload.note_refusal(11, begins=False)

    assert overload.is_on(11 + MEMORY - TICK)


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


def test_the_first_that_finds_no_room():
    overload = Overload(TARGET)
    found = []
    for room in (True, False, False, True, False):
        overload.note_arrival(room, 10, 10)
        found.append(overload.is_first)

    assert found == [False, True, False, False, True]


def test_patience():
    overload = Overload(TARGET)
    overload.note_arrival(True, 9, 10)
    assert overload.patience(oldest=9, now=10) == math.inf
    overload.note_arrival(False, 10, 10)
    assert overload.patience(oldest=10, now=10) == pytest.approx(0.3 + 0.5 + 0.3)
    assert overload.patience(oldest=9.8, now=10) == pytest.approx(0.1 + 0.5 + 0.3)
    overload.note_arrival(False, 9, 10.1)
    assert overload.patience(oldest=9, now=10.1) == pytest.approx(0.5 + 0.3)
    assert overload.patience(oldest=10.1, now=10.4) == pytest.approx(0.2 + 0.3)
    overload.begin(10.5)
    assert overload.patience(oldest=10.5, now=10.5) == TARGET
