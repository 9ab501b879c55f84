"""Options, the cluster with hellopod in it, and what a failure shows."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client, config

from . import diagnostics, metrics_api, observing, prerequisites
from .app import App, Http
from .cluster import Cluster, foreign, own
from .commands import running
from .kustomization import build, image_of
from .prometheus import Prometheus
from .results import Results
from .waiting import eventually

IN_CLUSTER = "KUBERNETES_SERVICE_HOST" in os.environ
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
APP = pytest.StashKey[App]()
READY = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("hellopod")
    group.addoption(
        "--keep-cluster", action="store_true", help="leave the cluster, or the namespace, in place"
    )
    group.addoption(
        "--context",
        metavar="NAME",
        help="no cluster of its own: a namespace hellopod-e2e-<id> on this kubeconfig context",
    )
    group.addoption(
        "--image", metavar="REFERENCE", help="deploy this image, which exists, and build none"
    )
    group.addoption(
        "--screenshot", metavar="FILE", help="where to leave a picture of the page in a rollout"
    )
    group.addoption("--results", metavar="FILE", help="where to leave what the tests found")


def pytest_configure(config: pytest.Config) -> None:
    """Say what is missing before anything else is printed."""
    if IN_CLUSTER or config.option.help or config.option.collectonly:
        return
    if missing := prerequisites.missing(config.option.context):
        raise pytest.UsageError(missing)
    if path := config.option.results:
        config.pluginmanager.register(Results(Path(path)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what only reads first, then what changes something, then what removes everything.

    Before the end come those that deploy a variant, then those with a Prometheus, which would only
    disturb the others, and last the tests of skaffold, which deploys by itself and needs the
    namespace free, and of `make up`, which has a cluster of its own.
    """
    changed = (
        *("test_chaos", "test_liveness", "test_network_policy"),
        *("test_overload", "test_zero_loss"),
    )
    variants = dict.fromkeys(changed, 2)
    observed = dict.fromkeys(("test_scraping", "test_alerts", "test_autoscaling"), 3)
    last = {"test_delete": 4, "test_skaffold": 5, "test_up": 6}
    place = {"test_smoke": 0, **variants, **observed, **last}
    items.sort(key=lambda item: place.get(item.path.stem, 1))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show pods, events and logs with a failure, as they are at that moment."""
    report = yield
    if report.failed and APP in item.config.stash:
        report.sections.extend(diagnostics.describe(item.config.stash[APP]))
    if report.failed and READY not in item.config.stash and "app" in item.fixturenames:
        item.session.shouldfail = "nothing to test: the cluster or the app did not come up"
    return report


@pytest.fixture(scope="session")
def cluster(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """Give a cluster that has the metrics API and the image."""
    if IN_CLUSTER:
        pytest.skip("needs kubectl and the right to change things, which a pod lacks")
    context, image, keep = map(pytestconfig.getoption, ("context", "image", "keep_cluster"))
    directory = tmp_path_factory.mktemp("cluster")
    place = foreign(context, directory, image, keep) if context else own(directory, image, keep)
    with place as cluster, metrics_api.provided(cluster, keep):
        if cluster.kind_name:
            # Its nodes cannot pull what was built here.
            name = image_of(cluster.kustomization)
            if not image:
                build(name)
            cluster.load(name)
        yield cluster


@pytest.fixture(scope="session")
def app(request: pytest.FixtureRequest) -> App:
    """Give the deployed app: in a cluster the one beside this pod, else one deployed here."""
    if IN_CLUSTER:
        config.load_incluster_config()
        app = App(client.ApiClient(), (SERVICE_ACCOUNT / "namespace").read_text())
        request.config.stash[APP] = app
        request.config.stash[READY] = True
        return app
    cluster: Cluster = request.getfixturevalue("cluster")
    app = request.config.stash[APP] = App(cluster.client(), cluster.namespace)
    cluster.apply()
    # The autoscaler sets the second replica within its 15 s.
    eventually(app.settled, seconds=180)
    request.config.stash[READY] = True
    return app


@pytest.fixture(scope="session")
def proxy(app: App, cluster: Cluster) -> Iterator[str]:
    """Give the address at which the API server hands requests on to Services of the namespace.

    Like a Service itself it chooses a pod for each request; a port-forward would reach one alone.
    """
    command = ("kubectl", "--context", cluster.context, "proxy", "--port=0")
    with running(*command, until=r"127\.0\.0\.1:\d+", env=cluster.env) as address:
        yield f"http://{address[0]}/api/v1/namespaces/{app.namespace}/services"


@pytest.fixture(scope="session")
def url(app: App, request: pytest.FixtureRequest) -> str:
    """Give the Service's address."""
    if IN_CLUSTER:
        return f"http://hellopod.{app.namespace}.svc"
    return f"{request.getfixturevalue('proxy')}/hellopod:80/proxy"


@pytest.fixture(scope="session")
def http(url: str) -> Http:
    """Give the client of the Service."""
    return Http(url)


@pytest.fixture(scope="session")
def prometheus(
    app: App, cluster: Cluster, proxy: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """Give a Prometheus that scrapes the app; there is one for all tests."""
    with observing.prometheus(app, cluster, tmp_path_factory.mktemp("prometheus")):
        yield Prometheus(f"{proxy}/prometheus:9090/proxy")
