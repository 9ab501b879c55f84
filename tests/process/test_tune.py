import re

import pytest

from local import tune
from local.tune import Step
from tests.runtime.gunicorn_process import OURS, TEST_APP

APP = (*OURS, TEST_APP)


def steps(*rates, cpu=0.1):
    return [Step(2**number, rate, 0.1, 0.2, cpu) for number, rate in enumerate(rates)]


@pytest.mark.parametrize(
    ("rates", "concurrency"),
    [((10, 20, 40, 80), 8), ((50, 50, 50), 1), ((50, 91, 100, 99), 2), ((10, 100, 50, 40), 2)],
)
def test_the_fewest_slots_that_serve_nearly_as_much(rates, concurrency):
    assert tune.recommended(steps(*rates)).concurrency == concurrency


def test_says_what_limits():
    assert "The CPU" in tune.advice(steps(50, cpu=0.95), last=8)
    assert "What the handlers wait for" in tune.advice(steps(50), last=8)
    assert "Each slot still adds" in tune.advice(steps(50), last=1)


def test_waiting_gains_from_slots(capsys):
    tune.main("/wait/0.1", APP, seconds=1, counts=(1, 4))
    printed = capsys.readouterr().out

    one, four = (float(rate) for rate in re.findall(r"^ +[14] +(\d+)", printed, re.M))
    assert one < 11
    assert four > 2 * one
    assert "CONCURRENCY=4 QUEUE_LENGTH=8 " in printed


def test_computing_shows_in_the_cpu():
    waits = tune.measure("/wait/0.1", 4, 1, APP)
    computes = tune.measure("/burn/0.02", 4, 1, APP)

    assert computes.cpu > 2 * waits.cpu


def test_a_path_that_fails_is_one_sentence():
    with pytest.raises(SystemExit, match="^tune: GET /nope answers 404; "):
        tune.main("/nope")
