import re

import pytest

from local import advice, tune
from local.advice import Step
from local.clients import Request
from local.steps import Failure
from tests.runtime.gunicorn_process import OURS, TEST_APP

APP = (*OURS, TEST_APP)


def steps(*rates, cpu=0.1):
    return [Step(2**number, rate, 0.1, 0.2, cpu) for number, rate in enumerate(rates)]


@pytest.mark.parametrize(
    ("rates", "concurrency"),
    [((10, 20, 40, 80), 8), ((50, 50, 50), 1), ((50, 91, 100, 99), 2), ((10, 100, 50, 40), 2)],
)
def test_the_fewest_slots_that_serve_nearly_as_much(rates, concurrency):
    assert advice.recommended(steps(*rates)).concurrency == concurrency


def test_says_what_limits():
    assert "The CPU" in advice.advice([Step(1, 50, 0.02, 0.03, 0.4), *steps(90, cpu=0.7)], last=8)
    assert "What the handlers wait for" in advice.advice(steps(50), last=8)
    assert "Each slot still adds" in advice.advice(steps(50), last=1)


def test_what_computes_needs_no_number_of_slots():
    said = advice.advice(steps(50, 51, cpu=0.95), last=8)

    assert "CONCURRENCY=" not in said
    assert "a pod serves 50/s of it" in said


def test_what_lets_go_of_the_interpreter_gains_from_slots():
    used = [Step(1, 50, 0.02, 0.02, 1.0), Step(2, 98, 0.02, 0.02, 1.9)]

    assert "CONCURRENCY=2" in advice.advice(used, last=8)


def test_what_cannot_be_repeated_is_one_sentence():
    with pytest.raises(
        Failure, match=r"^GET /once answered 200 once, and with 1 slots {'404': \d+}; "
    ):
        tune.main(Request("/once"), (*OURS, "tests.process.once_app:application"))


def test_head_is_one_sentence():
    with pytest.raises(Failure, match="^HEAD has no body"):
        tune.main(Request("/", "HEAD"), APP)


def test_waiting_gains_from_slots(capsys):
    tune.main(Request("/wait/0.1"), APP, seconds=1, counts=(1, 4))
    printed = capsys.readouterr().out

    one, four = (float(rate) for rate in re.findall(r"^ +[14] +(\d+)", printed, re.M))
    assert one < 11
    assert four > 2 * one
    # Other tests run at the same time, and may take all CPUs.
    assert "CONCURRENCY=4 QUEUE_LENGTH=8 " in printed or "The machine is busy" in printed


@pytest.mark.parametrize(
    ("cpu", "others", "idle", "is_busy"),
    [
        (0.2, 1.8, 0.0, True),
        (0.95, 1.0, 0.01, True),
        (0.9, 6.0, 0.5, False),  # there are more cores
        (0.9, 0.2, 0.2, False),  # some other process always computes a little
        (7.5, 0.4, 0.0, False),  # the service and its clients need all there is
    ],
)
def test_no_advice_where_others_had_the_cpu(cpu, others, idle, is_busy):
    quiet, step = Step(1, 9, 0.1, 0.2, cpu), Step(2, 10, 0.1, 0.2, cpu, others, idle)
    said = advice.busy([quiet, step])

    assert bool(said) is is_busy
    if is_busy:
        assert f"do not trust these numbers. Other processes used {others} cores" in said


def test_computing_shows_in_the_cpu():
    waits = tune.measure(Request("/wait/0.1"), 4, 1, APP)
    computes = tune.measure(Request("/burn/0.02"), 4, 1, APP)

    assert computes.cpu > 2 * waits.cpu


@pytest.mark.parametrize(
    "request_",
    [
        Request("/body", "POST", b"x" * 8_000_000, {"Content-Type": "text/plain"}),  # in pieces
        Request("/empty", "DELETE"),
    ],
)
def test_any_request(request_, monkeypatch):
    monkeypatch.setenv("MAX_CONTENT_LENGTH", "8000000")

    assert tune.measure(request_, 2, 0.5, APP).rate > 1


def test_a_stream_is_one_sentence():
    with pytest.raises(Failure, match="^GET /stream/2/0 answers with a stream; "):
        tune.main(Request("/stream/2/0"), APP)


def test_an_answer_that_breaks_is_one_sentence():
    with pytest.raises(Failure, match="^GET /declare/10/5 has no whole answer: "):
        tune.main(Request("/declare/10/5"), APP)


def test_a_path_that_fails_is_one_sentence():
    with pytest.raises(Failure, match="^GET /nope answers 404; "):
        tune.main(Request("/nope"))
