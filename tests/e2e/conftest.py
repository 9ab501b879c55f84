"""The cluster with hellopod in it, and what a failure shows."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client, config

from . import absence, beside, diagnostics, metrics_api, observing, prerequisites, selection
from .app import App, Http
from .cluster import Cluster, foreign, found, own
from .commands import running
from .kustomization import build, image_of
from .options import pytest_addoption as pytest_addoption
from .prometheus import Prometheus
from .results import Results
from .skaffold import Skaffold
from .waiting import eventually

IN_CLUSTER = "KUBERNETES_SERVICE_HOST" in os.environ
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
APP = pytest.StashKey[App]()
READY = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    """Say what is missing before anything else is printed."""
    # A shell starts what runs in the background with SIGINT ignored, and processes inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.pluginmanager.register(absence)
    if config.option.help or config.option.collectonly:
        return
    if IN_CLUSTER and not config.option.url:
        return
    if missing := prerequisites.missing(config.option):
        raise pytest.UsageError(missing)
    if path := config.option.results:
        config.pluginmanager.register(Results(Path(path)))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if selection.only_reading(config.option):
        selection.deselect_all_but_smoke(config, items)
    selection.sort(items)


def pytest_report_collectionfinish(config: pytest.Config) -> str | None:
    if option := selection.only_reading(config.option):
        return f"with {option} the smoke tests alone: the others deploy, change or delete something"
    return None


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
    request: pytest.FixtureRequest,
    pytestconfig: pytest.Config,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cluster]:
    """Give a cluster that has the metrics API and the image."""
    if IN_CLUSTER:
        pytest.skip("needs kubectl and the right to change things: a pod has neither")
    if pytestconfig.getoption("read_only"):
        yield found(pytestconfig.getoption("context"), pytestconfig.getoption("namespace"))
        return
    option = pytestconfig.option
    context, image, keep = option.context, option.image, option.keep_cluster
    directory = tmp_path_factory.mktemp("cluster")
    if context:
        place = foreign(context, directory, image, keep)
    else:
        place = own(directory, image, keep, option.cluster_name)
    with place as cluster, metrics_api.provided(cluster, keep):
        if cluster.kind_name:
            # Its nodes cannot pull what was built here.
            name = image_of(cluster.kustomization)
            if not image:
                build(name)
            cluster.load(name, *([] if image else beside.built(request.session.items)))
        if not context:
            cluster.wait_for_nodes()
        pytestconfig.stash[APP] = App(cluster.client(), cluster.namespace)
        yield cluster


@pytest.fixture(scope="session")
def app(request: pytest.FixtureRequest) -> App:
    """Give the deployed app: the one that is there already, or one deployed here."""
    option = request.config.option
    if option.url:
        pytest.skip("needs the API server, and --url leads to the service alone")
    if IN_CLUSTER:
        config.load_incluster_config()
        app = App(client.ApiClient(), (SERVICE_ACCOUNT / "namespace").read_text())
        request.config.stash[APP] = app
        request.config.stash[READY] = True
        return app
    cluster: Cluster = request.getfixturevalue("cluster")
    least = 1 if option.read_only else 2  # of somebody else's there may be one, by intention
    app = request.config.stash[APP] = App(cluster.client(), cluster.namespace, least)
    if option.read_only:
        request.config.stash[READY] = True
        return app
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
def url(request: pytest.FixtureRequest) -> str:
    """Give the Service's address."""
    if given := request.config.option.url:
        return given.rstrip("/")
    app: App = request.getfixturevalue("app")
    if IN_CLUSTER:
        return f"http://hellopod.{app.namespace}.svc"
    return f"{request.getfixturevalue('proxy')}/hellopod:80/proxy"


@pytest.fixture(scope="session")
def http(url: str) -> Http:
    """Give the client of the Service."""
    return Http(url)


@pytest.fixture(scope="session")
def theirs(pytestconfig: pytest.Config) -> bool:
    """Whether somebody else deployed it, with settings of their own."""
    return bool(selection.only_reading(pytestconfig.option))


@pytest.fixture(scope="session")
def prometheus(
    app: App, cluster: Cluster, proxy: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """Give a Prometheus that scrapes the app; there is one for all tests."""
    with observing.prometheus(app, cluster, tmp_path_factory.mktemp("prometheus")):
        yield Prometheus(f"{proxy}/prometheus:9090/proxy")


@pytest.fixture(scope="module")
def skaffold(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Skaffold:
    """Give skaffold on a copy of the repository, and a cluster without hellopod."""
    if cluster.namespace != "hellopod":
        pytest.skip("skaffold deploys to the namespace hellopod: here that may be somebody's")
    cluster.remove_namespace()
    return Skaffold.on_copy(tmp_path_factory.mktemp("skaffold"), cluster)
