"""The autoscaler's algorithm against the documentation's examples, the model against kind's run.

https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/
"""

from dataclasses import replace

import pytest

from benchmarks.model import observation
from benchmarks.model.autoscaling_comparison import compare, distance, shed_share
from benchmarks.model.autoscaling_model import Cluster, Model
from benchmarks.model.hpa import Pod, Sample, Target, external, proposal
from benchmarks.model.hpa_behavior import Autoscaler, Rules, Settings
from benchmarks.model.pod_curve import curve
from benchmarks.model.pod_model import Handler, Point
from benchmarks.model.pod_model import Pod as OnePod

NOW = 1000.0
CPU = Target(0.7, whole=0.1)  # 70 % of 100m
WAITS = Target(0.5, cpu=False)
DOUBLING = Rules(0, (("Percent", 100, 15),))
FASTEST = Rules(0, (("Percent", 10_000, 15),))
DOWN = Rules(0, (("Percent", 100, 15),))
COMPUTING = Handler(0.15 / 22, cores=0.15)
SECONDS = 60  # of a run


def used(*shares):
    """Pods that have been there for long, and used these shares of the request."""
    return [
        Pod(0, True, 0, Sample(share * CPU.whole, NOW - 5, 15) if share is not None else None)
        for share in shares
    ]


def starting(ready=True, changed=NOW - 20, at=NOW - 10):
    return Pod(NOW - 22, ready, changed, Sample(0.2, at, 15))


@pytest.mark.parametrize(
    ("shares", "wanted"),
    [
        ((1.4, 1.4), 4),  # twice what is desired
        ((0.35, 0.35, 0.35, 0.35), 2),  # half of it
        ((2.0, 2.0), 6),  # rounded up from 5.7
        ((0.76, 0.76), 2),  # within the tolerance of 0.1
        ((0.64, 0.64), 2),
        ((0.78, 0.78), 3),
        ((2.0, 0.1), 3),  # the average counts
    ],
)
def test_ratio_of_current_to_desired(shares, wanted):
    assert proposal(used(*shares), len(shares), CPU, NOW) == wanted


@pytest.mark.parametrize(
    ("pods", "wanted"),
    [
        (used(1.4, 1.4, None), 4),  # as if 0 on the way up: 2.8 / 0.7
        (used(0.9, 0.9, None, None), 4),  # 45 % would be down: nothing
        (used(0.1, 0.1, None), 2),  # as if 100 % of the request on the way down: 40 % are 0.57
        (used(0.5, 0.5, None), 3),  # 67 % are within the tolerance
        ([*used(2.0, 2.0), Pod(), Pod()], 6),  # Pending: as if 0
        ([*used(*[1.5] * 10), *[Pod()] * 10], 20),  # 75 % are within the tolerance
        ([*used(2.0, 2.0), starting(), starting()], 6),  # no whole window since it is Ready
        ([*used(2.0, 2.0), starting(ready=False)], 6),
        ([*used(0.35, 0.35), Pod()], 1),  # Pending pods are no reason to keep more
        ([*used(1.0), starting(changed=NOW - 30, at=NOW - 10)], 5),  # 1.0 and 2.0: counts now
    ],
)
def test_pods_that_tell_nothing_yet(pods, wanted):
    assert proposal(pods, len(pods), CPU, NOW) == wanted


def test_a_pod_that_was_never_ready_counts_as_unready_after_its_initialization_too():
    never = Pod(NOW - 400, False, NOW - 399, Sample(0.2, NOW - 5, 15))
    once = replace(never, changed=NOW - 100)

    assert proposal([*used(1.4), never], 2, CPU, NOW) == 2
    assert proposal([*used(1.4), once], 2, CPU, NOW) == 5


@pytest.mark.parametrize(
    ("total", "current", "wanted"),
    [
        (2.1, 4, 4),  # 5 % more than 4 want: within the tolerance
        (2.25, 4, 5),
        (2.25, 2, 5),
        (0.4, 2, 1),
        (1.9, 4, 4),
        (1.0004, 3, 2),  # KEDA gives thousandths
    ],
)
def test_an_external_metric_is_a_sum(total, current, wanted):
    assert external(total, current, WAITS) == wanted


def test_no_sample_no_proposal():
    assert proposal(used(None, None), 2, CPU, NOW) is None


def settings(up=DOUBLING, down=DOWN, least=1, most=1000):
    return Settings(least, most, (CPU,), up, down)


def decided(autoscaler, current, *wanted, every=15.1):
    numbers = []
    for time, number in enumerate(wanted):
        current = autoscaler.decide(time * every, current, [number])
        numbers.append(current)
    return numbers


def test_at_most_doubling_up_to_the_maximum():
    assert decided(Autoscaler(settings(most=20)), 2, 90, 90, 90, 90) == [4, 8, 16, 20]


def test_a_policy_counts_what_was_added_in_its_period():
    slow = Rules(0, (("Pods", 4, 60),))

    assert decided(Autoscaler(settings(up=slow)), 2, *[90] * 5) == [6, 6, 6, 6, 10]


def test_the_documentations_example_of_two_policies():
    """80 pods, 10 wanted: 8 in the first step, 8 of 72 too, below 40 four at a time."""
    rules = Rules(0, (("Pods", 4, 60), ("Percent", 10, 60)))
    numbers = decided(Autoscaler(settings(down=rules)), 80, *[10] * 14, every=61)

    assert numbers == [72, 64, 57, 51, 45, 40, 36, 32, 28, 24, 20, 16, 12, 10]


def test_down_only_to_the_highest_of_the_window():
    calm = Rules(60, (("Percent", 100, 15),))

    assert decided(Autoscaler(settings(down=calm)), 10, 10, 2, 6, 2, 2, 2, 2) == (
        [10, 10, 10, 10, 6, 6, 2]
    )


def test_up_only_to_the_lowest_of_the_window():
    careful = Rules(30, FASTEST.policies)

    assert decided(Autoscaler(settings(up=careful)), 2, 2, 9, 8, 8, 8) == [2, 2, 8, 8, 8]


def test_a_metric_that_cannot_be_read_stops_the_way_down_alone():
    autoscaler = Autoscaler(settings())

    assert autoscaler.decide(0, 4, [2, None]) == 4
    assert autoscaler.decide(20, 4, [6, None]) == 6
    assert autoscaler.decide(40, 6, [None, None]) == 6


def test_reads_the_manifests():
    read = observation.settings(0.5, 20, [observation.SATURATION])

    assert read.targets == (Target(0.7, 0.5), Target(0.5, cpu=False))
    assert (read.least, read.most) == (2, 20)
    assert read.up == DOUBLING
    assert read.down.window == 120


def test_a_pod_serves_as_many_as_measured_beyond_its_capacity():
    """70 % at three times the capacity of `/`; measured were 60 to 85 %: docs/scaling.md."""
    cheap = Handler(work=1 / 1850)

    assert OnePod(cheap, 1250, seed=1).run(0.5, 1).served == 1250
    assert 0.66 < OnePod(cheap, 5550, seed=1).run(0.5, 1).served / 1850 < 0.74


def test_refusals_take_all_cpu_in_the_end():
    pod = curve(COMPUTING)

    assert pod.at(11).served == pytest.approx(11, rel=0.01)
    assert 0.8 < pod.at(220).served / 22 < pod.at(110).served / 22
    assert pod.at(5000) == Point(5000, 0.0, pytest.approx(0.15), pytest.approx(0.8, rel=0.2))


@pytest.fixture(
    scope="module", params=observation.read(), ids=lambda each: f"{each.name} {each.log}"
)
def comparison(request):
    return compare(request.param, seeds=30)


def test_replicas_as_on_kind(comparison):
    assert comparison.inside >= 0.9
    assert distance(comparison.closest, comparison.trial.rows) < 0.5


def test_shed_share_as_on_kind(comparison):
    low, _, high = comparison.shed()
    seen = shed_share(comparison.trial.rows)

    assert low < seen < high < 2 * low + 0.05
    assert shed_share(comparison.closest) == pytest.approx(seen, abs=0.03)


def test_the_autoscaler_is_what_the_replicas_come_from(comparison):
    """Two pods all the time would not pass for it."""
    others = [[replace(row, ready=2) for row in run] for run in comparison.runs]

    assert replace(comparison, runs=others).inside < 0.7


def test_the_same_seed_gives_the_same_run():
    scaler = settings(FASTEST)
    pod = curve(COMPUTING)
    runs = [Model(pod, lambda at: 60.0 + at, scaler, seed).run(SECONDS) for seed in (1, 1, 2)]

    assert runs[0] == runs[1] != runs[2]


def test_pods_wait_for_the_control_plane_and_for_nodes():
    pod = curve(COMPUTING)

    def ready(cluster):
        scaler = settings(FASTEST, least=50)
        run = Model(pod, lambda at: 10.0 if at < 20 else 10_000, scaler, 1, 0.0, cluster)
        return [second.ready for second in run.run(100)]

    free, slow, full = map(ready, (Cluster(created=1e9), Cluster(created=1.0), Cluster(room=60)))
    assert max(free) >= 100
    assert 50 < slow[free.index(max(free))] < max(free)
    assert max(full) == 60
