import itertools

from benchmarks.comparison import OURS, Comparison, Goal, interleaved, rows
from benchmarks.results import table

VALUES = {"hellopod": [90.0, 110.0, 95.0], "bare": [100.0, 100.0, 100.0]}


def row(server="bare", **more):
    return {
        each["server"]: each for each in Comparison("rate", "requests/s", VALUES, **more).rows()
    }[server]


def test_measures_in_turns():
    order = itertools.count()
    assert interleaved({"a": lambda: next(order), "b": lambda: next(order)}, 2) == {
        "a": [0, 3],
        "b": [1, 2],
    }


def test_median_and_spread_of_the_ratio_in_each_round():
    found = row()
    assert (found["median"], found["least"], found["most"]) == (100, 100, 100)
    assert found["ours"] == {"median": 0.95, "least": 0.9, "most": 1.1}
    assert found["goal"] is None and found["holds"] is None


def test_a_goal_holds_or_is_missed():
    assert row(goals=[Goal("bare", at_least=0.95)])["holds"]
    assert not row(goals=[Goal("bare", at_least=0.96)])["holds"]
    assert row(goals=[Goal("bare", at_most=0.95)])["holds"]
    assert not row(goals=[Goal("bare", at_most=0.94)])["holds"]


def test_a_difference_and_a_value():
    assert row(goals=[Goal("bare", at_most=-5, of="difference")])["holds"]
    assert not row(goals=[Goal("bare", at_most=-5.1, of="difference")])["holds"]
    assert row("hellopod", goals=[Goal("hellopod", at_most=95, of="value")])["holds"]
    assert not row("hellopod", goals=[Goal("hellopod", at_most=94, of="value")])["holds"]


def test_growth():
    assert row("hellopod", base="bare", of="growth")["ours"]["most"] == 1.1
    assert row("hellopod", base="bare", goals=[Goal("hellopod", at_most=0.95, of="growth")])[
        "holds"
    ]
    assert not row("hellopod", base="bare", goals=[Goal("hellopod", at_most=0.9, of="growth")])[
        "holds"
    ]


def test_another_base():
    found = Comparison("size", "kB", VALUES, base="bare").rows()
    assert found[0]["ours"]["most"] == 100 / 90 and found[1]["ours"] is None


def test_the_table_says_what_was_compared_and_what_is_missed():
    goals = (Goal("bare", at_least=0.96),)
    found = [
        Comparison("rate", "requests/s", VALUES, goals),
        Comparison("late", "ms", {OURS: [3]}, (Goal(OURS, at_most=3, of="value"),)),
        Comparison("size", "kB", {"first": [20], "last": [30]}, (), "growth", "first"),
    ]
    head, line, *lines = table(rows(found)).splitlines()

    assert len({len(each) for each in (head, line, *lines)}) == 1
    assert set(line) == set("|-")
    assert [[cell.strip() for cell in each.strip("|").split("|")] for each in lines] == [
        ["rate, requests/s", OURS, "95 (90 to 110)", "", ""],
        ["", "bare", "100", "0.95 (0.9 to 1.1) times", "ratio >= 0.96: **missed**"],
        ["late, ms", OURS, "3", "", "value <= 3: holds"],
        ["size, kB", "first", "20", "", ""],
        ["", "last", "30", "grown 1.5 times", ""],
    ]
