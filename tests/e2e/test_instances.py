"""Two copies in one namespace: clients and alerts of one see nothing of what the other does."""

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client

from . import variant
from .app import SOON, App
from .cluster import Cluster
from .generator import Generator
from .instance import LITTLE, Instance, container, deployed, pods
from .prometheus import Prometheus
from .waiting import eventually
from .watching import watched

# All that a cluster without more controllers takes, but for tls: the load speaks HTTP.
COMPONENTS = ("chaos", "grafana-dashboard", "ingress", "openshift", "quota")
FAST = [["GET", "/version"], ["POST", "/api/chain"], ["GET", "/api/identity"]]
STREAMS = [{"rate": 15, "requests": FAST, "pool": 30}, {"rate": 15, "requests": FAST}]
INSTANCE, BURNS = "app_kubernetes_io_instance", "HellopodErrorBudgetBurnsFast"
FAILING = [{"rate": 10, "requests": [["GET", "/chaos/status/500"], ["GET", "/version"]]}]


@pytest.fixture(scope="module")
def blue(app: App, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """Deploy both copies, with the components."""
    here = variant.Variant(components=COMPONENTS)
    variant.deploy(app, cluster, tmp_path_factory.mktemp("variant"), here)
    image = app.deployment().spec.template.spec.containers[0].image
    folder = tmp_path_factory.mktemp("blue")
    patches = [pods(2), container(resources=LITTLE)]
    copy = Instance(cluster, image, folder, "blue", components=COMPONENTS, patches=patches)
    token = {"name": "hellopod-chaos", "literals": ["token=the-token-of-blue"]}
    with deployed(copy, secretGenerator=[token]) as found:
        yield found


def test_each_has_its_own(app: App, blue: App) -> None:
    for one, other in ((app, blue), (blue, app)):
        assert set(one.pods()) == one.endpoints()
        assert not set(one.pods()) & set(other.pods())
        budget = client.PolicyV1Api(app.api).read_namespaced_pod_disruption_budget(
            one.name, one.namespace, **SOON
        )
        assert budget.status.expected_pods == len(one.pods())
        accounts = {pod.spec.service_account_name for pod in one.pods().values()}
        assert accounts == {one.name}


def test_a_rollout_and_faults_of_one(
    app: App, blue: App, cluster: Cluster, prometheus: Prometheus
) -> None:
    before, others = set(app.pods()), set(blue.pods())

    def alarmed() -> set[tuple[str, str | None]]:
        alerts: list[dict[str, Any]] = prometheus.ask("alerts")["alerts"]
        return {(each["labels"]["alertname"], each["labels"].get(INSTANCE)) for each in alerts}

    already = alarmed()  # for what an earlier test has done to the first one

    def blue_is_replaced() -> None:
        blue.settled()
        assert not others & set(blue.pods())

    def only_blue_burns() -> None:
        new = alarmed() - already
        assert (BURNS, blue.name) in new
        assert {instance for _, instance in new} == {blue.name}

    with (
        watched(app, cluster) as seen,
        Generator(app, cluster).running(app.address(), 80, streams=STREAMS) as load,
        Generator(blue, cluster, "blue-load").running(blue.address(), 80, streams=FAILING) as bad,
    ):
        cluster.kubectl("rollout", "restart", f"deployment/{blue.name}")
        eventually(blue_is_replaced, seconds=120)
        prometheus.wait_for_scrape()
        eventually(only_blue_burns, seconds=60)

    load.assert_on_time()
    assert not load.failures, load.examples
    assert bad.failures.keys() == {"status 500"}, bad.examples
    assert set(app.pods()) == before and not seen.deleted
