"""Admission in simulation: benchmarks/model. A part of its matrix, and what users complained of."""

import json
import random
from pathlib import Path

import pytest

from benchmarks import admission, results
from benchmarks.model import matrix
from benchmarks.model.cells import HANDLERS, PATIENCE, Cell, Found, choose, measure, misses
from benchmarks.model.codel import CodelQueue
from benchmarks.model.limits import Aimd, Envoy, Gradient2, LoopLag, Vegas
from benchmarks.model.load import Clients
from benchmarks.model.processor import Processor
from benchmarks.model.servers import YARDSTICKS, ours
from service.runtime.admission import Verdict

PAGE = Path(__file__).parents[2] / "docs" / "admission.md"
SECONDS = 6


def ours_and_best(cell):
    """Return what ours makes of a cell, and the goodput of its yardstick."""
    found = matrix.row(cell, ("ours", "gthread"))
    return found["servers"]["ours"], found["best"]


@pytest.mark.parametrize("cpus", [1, 0.5])
@pytest.mark.parametrize(
    "handler",
    [
        "c6+w94",
        "c20",
        "c100",
        "w50",
        "w100+c10",
        "1:c8+w150,2:w20",
        "3:c10+w50,2:w20",
        "2:w50+c25,1:c1",
    ],
)
def test_as_many_clients_as_slots(handler, cpus):
    """None is refused, and they get what stock gunicorn gives them, but for chance."""
    found, best = ours_and_best(Cell(handler, "closed", cpus))

    assert found["refused"] == 0
    assert found["goodput"] >= 0.9 * best


@pytest.mark.parametrize(
    ("handler", "load", "share"),
    [
        ("w100", "x3", 0.95),
        ("c20", "x3", 0.85),
        ("c20", "x10", 0.85),
        ("c6+w94", "x3", 0.85),
        ("w100+c10", "x3", 0.9),
        ("w50+c25", "x3", 0.9),
    ],
)
def test_goodput_in_overload(handler, load, share):
    found, best = ours_and_best(Cell(handler, load))

    assert found["goodput"] >= share * best


@pytest.mark.parametrize("load", ["closed", "x3"])
@pytest.mark.parametrize("handler", ["w50+c25", "w100+c10"])
def test_probes_beside_handlers_that_wait_first(handler, load):
    found, _ = ours_and_best(Cell(handler, load))

    assert found["probe"] <= 0.05


@pytest.mark.parametrize("handler", ["c40+w400", "w50+c25", "1:c50,3:w50", "3:c10+w50,2:w20"])
def test_who_is_refused_hears_so_soon(handler):
    """In an overload; of those that come when it begins, a few wait in vain."""
    processor = Processor(1)
    clients = Clients(processor, ours(processor))
    capacity = matrix.capacity(handler, 1)
    clients.open(lambda now: capacity * (3 if now > 2 else 0.5), 8, choose(handler))
    processor.run(10)

    took = sorted(answer.took for answer in clients.answers if answer.status == 503)

    assert len(took) > 100
    assert took[int(len(took) * 0.95)] < 0.1


def test_a_pod_with_room_refuses_nobody():
    """40 requests a second that take a quarter of the CPU."""
    found = measure(ours, Cell("c6+w94", "x0.25"), 40, 10)

    assert found.refused == 0
    assert found.goodput == pytest.approx(40, rel=0.2)


@pytest.mark.parametrize("handler", ["w280", "c100"])
def test_bursts_after_an_overload(handler):
    processor = Processor(1)
    clients = Clients(processor, ours(processor))
    clients.open(lambda now: 200.0, 5, choose(handler))
    moments = [20.0, 21.0, 22.0]
    for moment in moments:
        clients.burst(moment, 45, choose("w20"))
    processor.run(24)

    burst = [answer for answer in clients.answers if answer.sent >= moments[0]]
    assert any(answer.status == 503 for answer in clients.answers)
    assert len(burst) == 135
    assert all(answer.status == 200 and answer.took <= PATIENCE for answer in burst)


def feed(algorithm, took, running=16, seconds=5):
    """Let an algorithm see 100 requests a second, after some seconds of 0.1 s each."""
    for number in range(int((3 + seconds) * 100)):
        algorithm.sample(number / 100, 0.1 if number < 300 else took, running)


@pytest.mark.parametrize("algorithm", [Aimd(), Vegas(random.Random(1)), Gradient2(), Envoy()])  # noqa: S311
def test_a_limit_of_the_field_falls_with_slow_answers(algorithm):
    feed(algorithm, 0.1, seconds=0)
    before = algorithm.limit
    feed(algorithm, 1.5)

    assert before > 12
    assert 1 <= algorithm.limit < before


@pytest.mark.parametrize("algorithm", [Aimd(), Vegas(random.Random(1)), Gradient2(), Envoy()])  # noqa: S311
def test_a_limit_of_the_field_stays_where_answers_do_not_get_slower(algorithm):
    feed(algorithm, 0.1)

    assert algorithm.limit > 12


def test_loop_lag_closes_and_opens():
    algorithm = LoopLag()
    for _ in range(10):
        algorithm.observe(0.05)
    assert algorithm.limit == 0
    for _ in range(10):
        algorithm.observe(0.0)
    assert algorithm.limit == 16


def test_codel_serves_the_latest_first_from_a_standing_queue():
    queue = CodelQueue(limit=1, queue_length=3)
    assert queue.offer("a", 0.0) is Verdict.RUN
    assert [queue.offer(each, 0.01) for each in "bcd"] == [Verdict.WAIT] * 3
    assert queue.offer("e", 0.02) is Verdict.REFUSE

    assert queue.leave("a", 0.05) == "b"
    assert queue.leave("b", 0.102) == "c"
    assert queue.offer("e", 0.108) is Verdict.WAIT
    assert queue.take_expired(0.112) == ["d"]
    assert queue.offer("f", 0.112) is Verdict.WAIT
    assert queue.leave("c", 0.1125) == "f"


def found(goodput=100.0, refused=0.0, probe=0.01):
    return Found(goodput, refused, 0.0, probe)


@pytest.mark.parametrize(
    ("load", "one", "missed"),
    [
        ("closed", found(94), ["goodput"]),
        ("closed", found(refused=0.01), ["refused"]),
        ("x0.8", found(10, 0.001), []),
        ("x0.8", found(refused=0.002), ["refused"]),
        ("x3", found(94, 0.7), ["goodput"]),
        ("step", found(refused=0.01), ["memory"]),
        ("x3", found(probe=0.06), ["probes"]),
    ],
)
def test_a_promise_that_is_not_kept_is_named(load, one, missed):
    assert misses(Cell("w50", load), one, stock=100, best=100, fresh=0) == missed


def test_a_burst_is_compared_with_that_of_a_fresh_pod():
    one = found(refused=0.3)
    assert misses(Cell("c20", "burst"), one, stock=100, best=100, fresh=0.3) == []
    assert misses(Cell("c20", "burst"), one, stock=100, best=100, fresh=0.2) == ["memory"]


def test_the_page_has_the_tables_of_the_results():
    cells = json.loads(matrix.RESULT.read_text())["cells"]
    page = PAGE.read_text()

    for cpus in (1.0, 0.5):
        assert "\n".join(matrix.table(cells, cpus)) in page
    assert {each["handler"] for each in cells} == set(HANDLERS)
    assert set(YARDSTICKS) < set(cells[0]["servers"])


def test_the_page_has_the_table_of_what_was_measured():
    cells = results.read("admission")["cells"]

    assert "\n".join(admission.table(cells)) in PAGE.read_text()
    assert {each["handler"] for each in cells} == set(HANDLERS)


@pytest.mark.parametrize(
    ("handler", "times", "least", "most"),
    [("c20", 1.5, 0.8, 1), ("1:c50,3:w50", 1.5, 0.8, 1), ("w50", 0.9, 0, 0), ("w500", 0.8, 0, 0)],
)
def test_share_of_the_time_that_is_an_overload(handler, times, least, most):
    processor = Processor(1)
    pod = ours(processor)
    clients = Clients(processor, pod)
    rate = times * matrix.capacity(handler, 1)
    clients.open(lambda now: rate, 30, choose(handler))
    overloaded = []
    for tick in range(50, 300):
        look = lambda: overloaded.append(pod.admission.is_overloaded(processor.now))  # noqa: E731
        processor.at(tick / 10, look)
    processor.run(32)

    assert least <= sum(overloaded) / len(overloaded) <= most
