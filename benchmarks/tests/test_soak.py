import json

import pytest

from benchmarks import endurance, image, kind, rollout, soak
from benchmarks.comparison import Comparison, Goal
from benchmarks.docker import TUTORIAL, parse_memory
from tests.e2e.generator import Load
from tests.e2e.watching import PodWatch


def run(outcomes=(("2xx", 100),), ends=(0, 0, 0, 0), memory=(40.0, 40.0), late=0, used=0.7):
    """A soak of two rollouts."""
    stream = {
        "sent": sum(count for _, count in outcomes),
        "late": late,
        "outcomes": {name: {"count": count} for name, count in outcomes},
        "per_second": {"61": dict(outcomes), "200": {"2xx": 0}},
        "behind": {"61": 0.3, "90": 0.2},
        "examples": ["12:00:00 GET /: shed"],
    }
    seen = PodWatch()
    seen.ended = {f"container-{n}": f"{code} (Completed)" for n, code in enumerate(ends)}
    at_rest = kind.Pods(0.0, [38.0], [12], [1.0])
    cycles = [kind.Pods(0.0, [mib], [40], [1.0]) for mib in memory]
    load = Load(0.0, 240.0, [stream])
    return soak.Soak(100.0, 70.0, [used, used], load, seen, at_rest, cycles, at_rest)


def missed(comparisons):
    return [row["what"] for one in comparisons for row in one.rows() if row["holds"] is False]


def test_all_goals_hold():
    assert missed(soak.compared(run())) == []


@pytest.mark.parametrize(
    ("what", "broken"),
    [
        ("failed", {"outcomes": (("2xx", 99), ("shed", 1))}),
        ("sent late", {"late": 3}),
        ("CPU that the pods used", {"used": 0.5}),
        ("containers", {"ends": (0, 0, 0, 137)}),
        ("containers", {"ends": (0, 0, 0)}),
        ("containers", {"ends": (0, 0, 0, 0, 1)}),
        ("memory", {"memory": (40.0, 42.1)}),
    ],
)
def test_each_goal_can_be_missed(what, broken):
    [found] = missed(soak.compared(run(**broken)))

    assert found.startswith(what)


def test_the_load_is_a_share_of_the_cpu_that_the_pods_request():
    before = kind.Pods(100.0, [], [], [1.0, 2.0])
    after = kind.Pods(120.0, [], [], [2.5, 3.5])

    assert soak.used_between(before, after) == pytest.approx(0.3)  # 3 s in 20, of 0.5 cores
    assert soak.rate_for(before, after, 2000) == pytest.approx(700 / 3)  # 1.5 ms each, 0.35 cores


def test_growth_is_from_third_to_third():
    assert soak.growth([1, 9, 1, 5, 5, 9, 2, 9, 2]) == 2
    assert soak.growth([4]) == 1


def test_result_is_written_and_says_whether_all_holds(tmp_path, capsys):
    file = tmp_path / "results" / "soak.json"

    assert soak.report({}, soak.compared(run()), run(), file)
    assert '"holds": true' in file.read_text()
    bad = run(outcomes=(("2xx", 99), ("shed", 1)))
    assert not soak.report({}, soak.compared(bad), bad, file)
    written = json.loads(file.read_text())
    assert written["failures"] == {"shed": 1}
    assert written["moments"] == {"61": {"failed": 1, "behind": 0.3}, "90": {"behind": 0.2}}
    assert "MISSED" in capsys.readouterr().out


def test_a_container_that_grows_misses_its_goals():
    same = endurance.Look(20_000, 40.0, 36.0, 12, 300, 20_000)
    more = endurance.Look(1_000_000, 42.1, 37.9, 13, 301, 22_100)

    assert missed(endurance.compared([same, same])) == []
    assert len(missed(endurance.compared([same, more]))) == 5


@pytest.mark.parametrize(
    ("text", "mib"), [("38.52MiB / 1.5GiB", 38.52), ("1.5GiB / 2GiB", 1536), ("512KiB / 1GiB", 0.5)]
)
def test_reads_what_docker_says_of_memory(text, mib):
    assert parse_memory(text) == mib


def test_reads_a_kubelet_s_summary():
    def pod(name, namespace, **memory):
        return {"podRef": {"name": name, "namespace": namespace}, **memory}

    known = {"memory": {"workingSetBytes": 40 * 2**20}}
    pods = [pod("a", "ours", **known), pod("b", "ours"), pod("c", "theirs", **known)]

    assert kind.parse_summary({"pods": pods}, "ours") == {"a": 40.0}


def test_the_original_stays_as_it_is():
    before = (TUTORIAL.context / TUTORIAL.code).read_text()

    with image.copied(TUTORIAL) as context:
        (context / TUTORIAL.code).write_text("")
        assert {path.name for path in context.iterdir()} == set(TUTORIAL.files)
    assert (TUTORIAL.context / TUTORIAL.code).read_text() == before


def test_a_reference_of_nothing_is_compared_by_difference():
    goal = Goal("hellopod", at_most=0, of="value")
    values = {"hellopod": [0], "tutorial": [0]}
    rows = Comparison("failed", "requests", values, (goal,), of="difference").rows()

    assert rows[0]["holds"] is True
    assert rows[1]["ours"]["median"] == 0


def test_parts_are_left_out_where_nothing_can_run_them(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))

    parts = (image.measure, image.memory, rollout.measure, endurance.measure)
    assert [list(part()) for part in parts] == [[]] * 4
    assert capsys.readouterr().err.count("left out") == 4
