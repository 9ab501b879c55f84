"""The autoscaler adds pods under load and takes them away after it, and no request fails."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from . import keda, metrics_api, variant
from .absence import need
from .app import NAME, SOON, App
from .cluster import Cluster
from .duration import FULL
from .generator import Generator, Load
from .prometheus import Prometheus
from .timeline import Timeline
from .variant import Variant
from .waiting import eventually
from .watching import watched

# Down as shipped takes minutes; quicker, two decisions, one each 15 s, must agree.
QUICK = {
    "stabilizationWindowSeconds": 15,
    "policies": [{"type": "Pods", "value": 3, "periodSeconds": 15}],
}
DOWN = {} if FULL else QUICK
GROWN = 150  # seconds until all pods are there that are needed: samples, decisions, starts
# Seconds until there are two again: samples, decisions, drains and DOWN. As shipped DOWN takes 120,
# and 60 for each pod.
BACK = 660 if FULL else 150
STEADY = 32  # seconds without a change after which there will be none: two decisions
SETTLING = 5  # seconds in which the requests of a new pod find their places
RISE = 1.2  # times more that are served in the end; 1.5 and 1.3 with what is sent below

# Eight pods that may use 150m each fit a machine with two CPUs, beside the rest.
SMALL = {"resources": {"requests": {"cpu": "75m"}, "limits": {"cpu": "150m"}}}
CALM = 0.7 * 0.075  # cores: the request, and what hpa.yaml wants of it; with less it adds no pod
COMPUTING = [["GET", "/chaos/cpu?seconds=0.005"]]
# Of what one pod serves: more than two can, and little enough for eight not to refuse any when
# some come at once.
TIMES = (2.6, 0.4)
# Requests that take 3 s, a second: 42 at once. Two pods have 32 slots, and six have 96.
WAITING = [["GET", "/chaos/wait?seconds=3"]]
EACH_SECOND = (12, 2)
ENOUGH = 6  # pods: these requests take half of their slots
NEVER_DOWN = {"scaleDown": {"selectPolicy": "Disabled"}}
SOME = 4  # pods that no autoscaler asks for, and none takes away that is never to go down
REFUSED = 40  # seconds in which the autoscaler that looks at CPU could have decided three times

log = logging.getLogger(__name__)


@pytest.fixture
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a place for the variant. It is applied again."""
    return tmp_path_factory.mktemp("variant")


@pytest.fixture(scope="module")
def scaled_by_keda(
    cluster: Cluster, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Have KEDA in the cluster; it is there once for both tests."""
    keep = pytestconfig.getoption("keep_cluster")
    with keda.provided(cluster, tmp_path_factory.mktemp("keda"), keep):
        yield


def test_cpu(app: App, cluster: Cluster, directory: Path) -> None:
    if not metrics_api.present(app.api):
        pytest.skip("this cluster has no metrics API, and is not kind's")
    still = Variant(container=SMALL)
    variant.deploy(app, cluster, directory, still)
    capacity = capacity_of_a_pod(app, cluster)
    small = replace(still, scaler=scaler(8))
    variant.deploy(app, cluster, directory, small)

    def apply_again(timeline: Timeline) -> None:
        timeline.wait_for_pods(4, GROWN)
        before = timeline.look().wanted
        timeline.note("applied again")
        changed = variant.apply(cluster, directory, small)
        assert timeline.look().wanted >= before
        assert changed == ["poddisruptionbudget.policy/hellopod configured"]  # see test_deploy.py

    title = f"a pod serves {capacity:.0f} requests a second; {sum(TIMES)} times that"
    heavy, light = ({"rate": capacity * times, "requests": COMPUTING} for times in TIMES)
    trial(app, cluster, title, heavy, light, apply_again)


@pytest.mark.needs("keda")
def test_one_autoscaler(
    app: App, cluster: Cluster, scaled_by_keda: None, directory: Path, tmp_path: Path
) -> None:
    """Whatever is applied after what there is one, and the number of pods stays."""
    plain = Variant(scaler={"minReplicas": 2, "maxReplicas": ENOUGH, "behavior": NEVER_DOWN})
    variant.deploy(app, cluster, directory, plain)
    cluster.kubectl("scale", f"deployment/{NAME}", f"--replicas={SOME}")
    timeline = Timeline(app)

    def add() -> None:
        keda.add_component(cluster, tmp_path, directory)
        eventually(keda_has_it, seconds=30)

    def keda_has_it() -> None:
        assert timeline.look().wanted == SOME
        keda.has_it(app)

    def root() -> None:
        variant.apply(cluster, directory, plain)

    def remove(*options: str) -> None:
        cluster.kubectl("delete", f"scaledobject/{NAME}", *options)

    add()
    root()
    eventually(keda_has_it, seconds=30)
    add()
    remove("--cascade=orphan")  # as the document says: there is one all the time
    keda.autoscaler(app)
    root()
    keda.shipped_alone(app)
    add()
    remove("--cascade=foreground")
    root()
    keda.shipped_alone(app)
    cluster.kubectl("delete", f"hpa/{NAME}")
    add()  # the component first
    root()
    eventually(keda_has_it, seconds=30)
    remove("--cascade=orphan")
    root()
    keda.shipped_alone(app)
    assert {moment.wanted for moment in timeline.moments} == {SOME}
    assert timeline.look().wanted == SOME


@pytest.mark.needs("keda")
def test_saturation(
    app: App,
    cluster: Cluster,
    scaled_by_keda: None,
    prometheus: Prometheus,
    directory: Path,
    tmp_path: Path,
    subtests: pytest.Subtests,
) -> None:
    two = Variant()
    variant.deploy(app, cluster, directory, two)  # there may be more of an earlier test
    shipped = replace(two, scaler=scaler(ENOUGH))
    variant.deploy(app, cluster, directory, shipped)

    def add_the_component(timeline: Timeline) -> None:
        timeline.wait_for_calm(REFUSED, REFUSED + 30)
        assert timeline.most().ready == 2
        percent = cpu(app)
        log.info("two pods refuse requests at %d %% of their CPU request", percent)
        assert percent < 70
        timeline.note("the component is added")
        keda.add_component(cluster, tmp_path, directory)
        timeline.wait_for_pods(ENOUGH, GROWN)
        timeline.note("applied without the component")
        variant.apply(cluster, directory, shipped)
        eventually(keda_has_it_back, seconds=30)
        assert timeline.look().wanted == ENOUGH
        with subtests.test("an alert says so"):
            need("kube-state-metrics")
            eventually(autoscaler_is_at_its_maximum, seconds=30)

    def keda_has_it_back() -> None:
        keda.has_it(app)

    def autoscaler_is_at_its_maximum() -> None:
        assert prometheus.alerts().get("HellopodAutoscalerAtMaximum") == "pending"

    title = f"{sum(EACH_SECOND)} requests a second take 3 s each"
    heavy, light = ({"rate": rate, "requests": WAITING} for rate in EACH_SECOND)
    try:
        trial(app, cluster, title, heavy, light, add_the_component)
        keda.has_it(app)
    finally:
        cluster.kubectl("delete", f"scaledobject/{NAME}", "--ignore-not-found")


def trial(
    app: App,
    cluster: Cluster,
    title: str,
    heavy: dict[str, Any],
    light: dict[str, Any],
    event: Callable[[Timeline], None],
) -> None:
    """Send two loads until nothing changes any more, then one until there are two pods again."""
    always, more = Generator(app, cluster, "hellopod-load-light"), Generator(app, cluster)
    with watched(app, cluster) as seen:
        with always.running(app.address(), 80, streams=[light]) as low:
            timeline = Timeline(app)
            with more.running(app.address(), 80, streams=[heavy]) as high:
                event(timeline)
                timeline.wait_for_calm(STEADY, GROWN)
                timeline.note("the load ends")
            timeline.wait_for_end(BACK)
    timeline.add(low, high)
    timeline.report(title)
    low.assert_on_time()
    high.assert_on_time()
    seen.assert_clean()
    assert timeline.most().ready >= 4
    assert_served(timeline, high)


def assert_served(timeline: Timeline, high: Load) -> None:
    """Assert that requests were refused before all pods were there, and nothing else went wrong."""
    assert timeline.kinds() == {"2xx", "shed"}
    # From its first whole second, because the autoscaler may act after five.
    begin, end = high.began + 1, high.began + high.seconds
    grows = next(one.at for one in timeline.moments if one.ready > 2)
    grown = timeline.most().at + SETTLING
    assert timeline.count("shed", begin, grows)
    assert not timeline.count("shed", grown, timeline.moments[-1].at)
    assert timeline.rate("2xx", grown, end) > RISE * timeline.rate("2xx", begin, grows)


def scaler(most: int) -> dict[str, Any]:
    return {"minReplicas": 2, "maxReplicas": most, "behavior": {"scaleDown": DOWN}}


def capacity_of_a_pod(app: App, cluster: Cluster) -> float:
    """Return how many requests a second one pod serves, once no autoscaler would act on that."""
    pod = next(iter(app.ready().values()))
    streams = [{"clients": 3, "pool": 3, "requests": COMPUTING}]
    load = Generator(app, cluster).run(pod.status.pod_ip, 8000, 10, streams=streams)

    def autoscaler_sees_no_load() -> None:
        seen = metrics_api.samples(app)
        assert len(seen) == 2
        assert min(at for at, _ in seen) > load.began + load.seconds
        assert max(cores for _, cores in seen) < CALM

    eventually(autoscaler_sees_no_load, seconds=90)
    return load.rate()


def cpu(app: App) -> int:
    """Return what the autoscaler knows of the pods' CPU, in percent of the request."""
    autoscaling = client.AutoscalingV2Api(app.api)
    hpa = autoscaling.read_namespaced_horizontal_pod_autoscaler(NAME, app.namespace, **SOON)
    [metric] = hpa.status.current_metrics
    return metric.container_resource.current.average_utilization
