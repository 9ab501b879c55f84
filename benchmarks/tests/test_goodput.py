import pytest

from benchmarks import goodput
from benchmarks.goodput import Point, Row
from benchmarks.oha import Answer

SECONDS = 9  # of load; steady from 3 to 8


def answers(*, sent=(4.0,), took=0.5, status=200):
    return [Answer(at, at, at + took, status) for at in sent]


def row(goodput=(1.0,), sent=1.0, at_least=None, factor=3):
    points = [Point(factor, sent, share, 0.2, {"200": 10}) for share in goodput]
    return Row("/", "hellopod", [90.0, 110.0], factor, points, at_least)


def test_goodput_is_of_the_steady_part():
    found = answers(sent=(0.0, 2.9, 3.0, 5.0, 7.9, 8.0, 8.9))

    assert goodput.rate(found, SECONDS) == 3 / 5


def test_goodput_has_no_refusals_nor_what_comes_too_late():
    found = answers() + answers(status=503) + answers(took=1.01)

    assert goodput.rate(found, SECONDS) == 1 / 5


def test_throughput_counts_slow_answers():
    found = answers(sent=(0.0, 2.0, 8.0), took=1.5) + answers(status=500)

    assert goodput.throughput(found, SECONDS) == 2 / 6


def test_p99():
    assert goodput.p99(range(1, 201)) == 198
    assert goodput.p99([7]) == 7
    assert goodput.p99([]) is None


def test_nothing_served_has_no_p99():
    nothing = Row("/", "tutorial", [100.0], 3, [Point(3, 1.0, 0.0, None, {"timeout": 9})], None)

    assert nothing.p99 is None
    assert str(nothing).endswith(" -")


@pytest.mark.parametrize(("sent", "mark"), [(0.95, "95% "), (0.94, "94%*")])
def test_a_rate_that_was_not_offered_is_marked(sent, mark):
    assert mark in str(row(sent=sent))
    assert row(sent=sent).as_json()["kept"] is not mark.endswith("*")


def test_a_goal_is_of_the_median_and_says_whether_it_holds():
    assert row((0.5, 0.95, 1.0), at_least=0.95).holds
    assert str(row((0.5, 0.94, 1.0), at_least=0.95)).endswith(">= 95%: MISSED")
    assert row().holds is None


def test_the_table_has_each_server_once_a_load():
    lines = goodput.table([row(factor=0.5), row(factor=10)]).splitlines()

    assert lines[4:] == [
        "/",
        "                        load   sent goodput                  p99",
        "  hellopod: capacity 100 (90 to 110)/s",
        *(str(row(factor=factor)) for factor in (0.5, 10)),
    ]


def test_a_goal_says_nothing_of_a_load_that_was_not_offered():
    absent = row((1.0,), sent=0.9, at_least=0.95)

    assert absent.holds is None
    assert str(absent).endswith(">= 95%: not offered")
