"""A real Prometheus finds the pods and counts right, and traffic makes no scrape larger."""

import logging
import time
from collections import Counter

import pytest
from kubernetes import client
from prometheus_client.parser import text_string_to_metric_families

from . import variant
from .app import NAME, SOON, App
from .cluster import Cluster
from .generator import Generator, Load
from .prometheus import Prometheus
from .waiting import eventually

ENOUGH = 10_000  # requests to random paths
QUIET = 10  # seconds before and after them in which scrapes are compared; five of them
LONGER = 5  # times; noise is less, and a series for each path would be a hundred times
# HEAD is left out: the generator cannot read an answer that has a length and no body.
KNOWN = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
UNKNOWN = ["BREW", "PROPFIND", "QWERTY"]
RANDOM = [[method, "/{random}"] for method in KNOWN + UNKNOWN]
GOOD = [["GET", "/version"], ["POST", "/api/chain"], ["GET", "/api/identity"]]
# Fewer clients than one pod has slots, and a new connection for each request, so that all pods see
# each kind of request.
STREAMS = [{"clients": 8, "requests": RANDOM}, {"rate": 20, "requests": GOOD}]
COUNTER = "flask_http_request_duration_seconds_count"
LABELS = ("method", "url_rule", "status")

log = logging.getLogger(__name__)


@pytest.fixture(scope="module", autouse=True)
def deployed(
    app: App, cluster: Cluster, prometheus: Prometheus, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Deploy pods that have not counted anything yet."""
    variant.deploy(app, cluster, tmp_path_factory.mktemp("variant"), variant.Variant())


def test_pods_are_discovered(app: App, prometheus: Prometheus) -> None:
    pods = sorted(app.ready())

    def each_pod_is_a_target_and_up() -> None:
        assert prometheus.pods() == [(pod, "up") for pod in pods]
        assert prometheus.values(f"up{{job='{NAME}'}}", "pod") == dict.fromkeys(pods, 1)

    eventually(each_pod_is_a_target_and_up, seconds=60)
    assert prometheus.values("hellopod_draining", "pod") == dict.fromkeys(pods, 0)


def test_counters_are_exact_and_scrapes_constant(
    app: App, cluster: Cluster, prometheus: Prometheus
) -> None:
    generator, address = Generator(app, cluster), app.address()
    generator.run(address, 80, 5, streams=STREAMS)  # from here on no series is new
    time.sleep(QUIET)
    before, quiet = counts(prometheus), scrape_seconds(prometheus, QUIET)
    start = time.time()

    with generator.running(address, 80, streams=STREAMS) as load:

        def enough_are_counted() -> None:
            assert (counted(prometheus) - before).total() > ENOUGH * 1.1

        eventually(enough_are_counted, seconds=180)

    after, busy = counts(prometheus), scrape_seconds(prometheus, int(load.seconds))
    assert after == direct_counts(app)
    assert after - before == sent(load)
    assert load.streams[0]["sent"] >= ENOUGH
    time.sleep(QUIET)
    quiet_again = scrape_seconds(prometheus, QUIET)
    log.info(
        "a scrape takes %.4f s before, %.4f s under and %.4f s after %d requests",
        *(quiet, busy, quiet_again, load.sent),
    )
    samples = scrape_samples(prometheus, int(time.time() - start))
    log.info("samples of a scrape: %s", samples)
    assert len(samples) == 1
    assert quiet_again < LONGER * quiet


def test_rolled_pod_disappears(app: App, prometheus: Prometheus) -> None:
    victim = min(app.ready())
    client.CoreV1Api(app.api).delete_namespaced_pod(victim, app.namespace, **SOON)

    def pod_was_seen_draining() -> None:
        draining = prometheus.values("max_over_time(hellopod_draining[2m])", "pod")
        assert draining[victim] == 1

    def only_new_pods_are_there() -> None:
        app.settled()
        pods = sorted(app.ready())
        assert victim not in pods
        assert prometheus.pods() == [(pod, "up") for pod in pods]
        assert sorted(prometheus.values(f"up{{job='{NAME}'}}", "pod")) == pods

    eventually(pod_was_seen_draining, seconds=30)
    eventually(only_new_pods_are_there, seconds=90)


def counts(prometheus: Prometheus) -> Counter:
    """Return requests by method, route and status, over all pods, all scraped after this moment."""
    prometheus.wait_for_scrape()
    return counted(prometheus)


def counted(prometheus: Prometheus) -> Counter:
    """Return the same as of the last scrapes."""
    expression = f"sum by ({', '.join(LABELS)}) ({COUNTER})"
    return Counter(prometheus.values(expression, *LABELS))


def direct_counts(app: App) -> Counter:
    """Return the same from the pods themselves."""
    core = client.CoreV1Api(app.api)
    found = Counter()
    for pod in app.ready():
        response = core.connect_get_namespaced_pod_proxy_with_path(
            f"{pod}:9000", app.namespace, "metrics", _preload_content=False, **SOON
        )
        for family in text_string_to_metric_families(response.data.decode()):
            for sample in family.samples:
                if sample.name == COUNTER:
                    found[tuple(sample.labels[label] for label in LABELS)] += sample.value
    return found


def sent(load: Load) -> Counter:
    """Return what the generator sent and had answered, by the same labels."""
    random, good = load.streams
    assert list(random["outcomes"]) == ["status 404"], load.examples
    assert list(good["outcomes"]) == ["2xx"], load.examples
    found = Counter()
    for stream, requests in ((random, RANDOM), (good, GOOD)):
        for turn in range(stream["sent"]):
            method, path = requests[turn % len(requests)]
            known = path if path != "/{random}" else "unmatched"
            status = "200" if stream is good else "404"
            found[method if method not in UNKNOWN else "OTHER", known, status] += 1
    return found


def scrape_seconds(prometheus: Prometheus, seconds: int) -> float:
    """Return how long a scrape took, the shortest over some time, of the slowest pod.

    What neighbours on the machine add to a scrape is not in the shortest.
    """
    of_pods = f"min_over_time(scrape_duration_seconds{{job='{NAME}'}}[{seconds}s])"
    return prometheus.value(f"max({of_pods})")


def scrape_samples(prometheus: Prometheus, seconds: int) -> set[float]:
    """Return the numbers of samples that scrapes had over some time."""
    of_pods = f"scrape_samples_scraped{{job='{NAME}'}}[{seconds}s]"
    least = prometheus.value(f"min(min_over_time({of_pods}))")
    return {least, prometheus.value(f"max(max_over_time({of_pods}))")}
