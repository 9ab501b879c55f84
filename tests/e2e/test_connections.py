"""Clients that keep their connections find new pods, and lose no request on the way."""

import logging

import pytest
from prometheus_client.parser import text_string_to_metric_families

from . import inside, variant
from .app import App
from .cluster import Cluster
from .generator import Generator
from .waiting import eventually

AGE = 5  # seconds
PODS = 4  # of which two are there before the connections
# Each connection is used every 0.8 s. That a pod of four gets none of 32 happens once in 10,000
# times, and there are six ages.
STREAM = {"rate": 40, "pool": 32, "requests": [["GET", "/version"]]}
SCRAPE = 'print(json.dumps(get("/metrics", port=9000)))'

log = logging.getLogger(__name__)


@pytest.fixture(scope="module", autouse=True)
def deployed(app: App, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Deploy with connections that do not get old."""
    changed = variant.Variant(env={"MAX_CONNECTION_AGE": str(AGE)})
    variant.deploy(app, cluster, tmp_path_factory.mktemp("variant"), changed)


def served(cluster: Cluster, pod: str) -> float:
    """Return how many requests for /version a pod has answered."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(inside.run(cluster, pod, SCRAPE))
        for sample in family.samples
        if sample.name == "flask_http_request_duration_seconds_count"
        and sample.labels["url_rule"] == "/version"
    )


def test_new_pods_get_kept_connections(app: App, cluster: Cluster) -> None:
    def all_have_served() -> dict[str, float]:
        counts = {pod: served(cluster, pod) for pod in app.ready()}
        assert all(counts.values()), counts
        return counts

    with Generator(app, cluster).running(app.address(), 80, streams=[STREAM]) as load:
        variant.scale(app, cluster, PODS)
        counts = eventually(all_have_served, seconds=6 * AGE, every=2)
        log.info("requests by pod: %s", counts)
        variant.scale(app, cluster, 2)  # as others expect it

    load.assert_on_time()
    assert not load.failures, load.examples
