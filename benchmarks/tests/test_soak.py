import json

import pytest

from benchmarks import image, rollout, soak
from benchmarks.comparison import Comparison, Goal
from benchmarks.docker import parse_memory
from tests.e2e.generator import Load
from tests.e2e.watching import PodWatch

SCRAPE = """# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 4.194304e+07
process_open_fds 12.0
process_cpu_seconds_total 1.5
http_requests_total{path="/"} 7.0
"""


def run(outcomes=(("2xx", 100),), ends=(0, 0, 0, 0), memory=(40.0, 40.0), late=0, used=0.7):
    """A soak of two rollouts."""
    stream = {
        "sent": sum(count for _, count in outcomes),
        "late": late,
        "outcomes": {name: {"count": count} for name, count in outcomes},
    }
    seen = PodWatch()
    seen.ended = {f"container-{n}": f"{code} (Completed)" for n, code in enumerate(ends)}
    at_rest = look()
    cycles = [look(memory=[mib], descriptors=[40]) for mib in memory]
    load = Load(0.0, 240.0, [stream])
    return soak.Soak(70.0, [used, used], load, seen, at_rest, cycles, at_rest)


def look(at=0.0, memory=(38.0,), descriptors=(12,), cpu=(1.0,), size=7000):
    return soak.Look(at, memory, descriptors, cpu, size)


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
    before = look(at=100.0, cpu=[1.0, 2.0])
    after = look(at=120.0, cpu=[2.5, 3.5])

    assert soak.used_between(before, after) == pytest.approx(0.3)  # 3 s in 20, of 0.5 cores
    assert soak.rate_for(before, after, 2000) == pytest.approx(700 / 3)  # 1.5 ms each, 0.35 cores


def test_growth_is_from_third_to_third():
    assert soak.growth([1, 9, 1, 5, 5, 9, 2, 9, 2]) == 2
    assert soak.growth([4]) == 1


def test_result_is_written_and_says_whether_all_holds(tmp_path, capsys):
    file = tmp_path / "results" / "soak.json"

    assert soak.report({}, soak.compared(run()), [look()], file)
    assert '"holds": true' in file.read_text()
    assert json.loads(file.read_text())["cycles"][0]["memory"] == [38.0]
    bad = run(outcomes=(("2xx", 99), ("shed", 1)))
    assert not soak.report({}, soak.compared(bad), [], file)
    assert "**missed**" in capsys.readouterr().out


def test_a_scrape_says_what_a_worker_holds():
    found = soak.look([SCRAPE, SCRAPE])

    assert (found.memory, found.descriptors, found.cpu) == ([40, 40], [12, 12], [1.5, 1.5])
    assert found.size == 2 * len(SCRAPE)


def test_a_container_that_grows_misses_its_goals():
    more = look(memory=[40.1], descriptors=[13], size=7701)

    assert missed(soak.endured("since", look(), look())) == []
    assert len(missed(soak.endured("since", look(), more))) == 3


@pytest.mark.parametrize(
    ("text", "mib"), [("38.52MiB / 1.5GiB", 38.52), ("1.5GiB / 2GiB", 1536), ("512KiB / 1GiB", 0.5)]
)
def test_reads_what_docker_says_of_memory(text, mib):
    assert parse_memory(text) == mib


def test_a_reference_of_nothing_is_compared_by_difference():
    goal = Goal("hellopod", at_most=0, of="value")
    values = {"hellopod": [0], "tutorial": [0]}
    rows = Comparison("failed", "requests", values, (goal,), of="difference").rows()

    assert rows[0]["holds"] is True
    assert rows[1]["ours"]["median"] == 0


def test_parts_are_left_out_where_nothing_can_run_them(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))

    assert [list(part()) for part in (image.measure, rollout.measure)] == [[], []]
    assert capsys.readouterr().err.splitlines() == [
        "images: left out: docker not on PATH",
        "rollouts: left out: kind and kubectl and docker not on PATH",
    ]
