"""The forecast of a wait."""

import pytest

from service.runtime.forecast import ENOUGH, MEMORY, Forecast


def moving(gap, number, limit=16, now=10.0):
    """Return the forecast of a queue that so many have left, at equal intervals, and the time."""
    forecast = Forecast(limit)
    forecast.enter(now)
    for _ in range(number):
        now += gap
        forecast.leave(now, 20)
    return forecast, now


def wait(forecast, now, waiting=10, pace=0.0):
    """Return the longest wait that is forecast, to a millisecond."""
    return max(ms for ms in range(5000) if forecast.is_longer(waiting, now, ms / 1000, pace)) / 1000


def test_the_wait_is_that_of_those_ahead():
    forecast, now = moving(0.02, ENOUGH)

    assert wait(forecast, now) == pytest.approx(0.2, abs=0.002)
    assert wait(forecast, now, waiting=20) == pytest.approx(0.4, abs=0.002)


def test_the_latest_count():
    forecast, now = moving(0.02, 40)
    for _ in range(16):
        now += 0.05
        forecast.leave(now, 20)

    assert forecast.gap(now) == pytest.approx(0.05)


def test_what_nobody_has_seen_counts_as_the_pace():
    forecast, now = moving(0.1, ENOUGH // 2)

    assert wait(forecast, now, pace=0.02) == pytest.approx(0.6, abs=0.002)


def test_the_queue_moves_no_faster_than_at_the_pace():
    forecast, now = moving(0.001, ENOUGH)

    assert wait(forecast, now, pace=0.03) == pytest.approx(0.3, abs=0.002)


def test_few_departures_from_many_slots_are_enough():
    forecast, now = moving(0.05, ENOUGH, limit=100)

    assert wait(forecast, now) == pytest.approx(0.5, abs=0.002)


def test_it_forgets():
    forecast, now = moving(0.02, ENOUGH)

    assert forecast.gap(now + MEMORY - 0.4) == pytest.approx(0.02)
    assert wait(forecast, now + MEMORY, pace=0.01) == pytest.approx(0.1, abs=0.002)
    assert forecast.gap(now + MEMORY) == 0


def test_a_queue_that_nobody_leaves_stands():
    forecast, now = moving(0.02, 1)

    assert not forecast.stands(3, now + 0.2, 0.3)
    assert forecast.stands(3, now + 0.3, 0.3)
    assert not forecast.stands(0, now + 0.3, 0.3)


@pytest.mark.parametrize("how", ["left", "rested"])
def test_a_queue_that_was_empty_begins_anew(how):
    forecast, now = moving(0.02, 1)
    if how == "left":
        forecast.leave(now + 0.1, 0)
    else:
        forecast.rest()

    forecast.enter(now + 5)

    assert not forecast.stands(1, now + 5.2, 0.3)
