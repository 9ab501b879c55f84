"""skaffold, as the README says to use it. Runs last (conftest.py): it deploys by itself."""

import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from kubernetes import client

from .app import SOON, App
from .cluster import Cluster
from .skaffold import Dev, Skaffold, by_name
from .waiting import eventually

pytestmark = pytest.mark.needs("skaffold")
VERIFY = "skaffold build --quiet | skaffold verify --build-artifacts=-"
SLOW = """

@bp.get("/slow")
def slow():
    import time
    print("a slow request has begun", flush=True)
    time.sleep(60)
    return ""
"""


@pytest.fixture(scope="module")
def skaffold(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Skaffold:
    """Give skaffold on a copy of the repository, and a cluster without hellopod."""
    if cluster.namespace != "hellopod":
        pytest.skip("skaffold deploys to the namespace hellopod, which may be somebody's here")
    remove_namespace(cluster)
    return Skaffold.on_copy(tmp_path_factory.mktemp("skaffold"), cluster)


def remove_namespace(cluster: Cluster) -> None:
    arguments = ("delete", "namespace", "hellopod", "--ignore-not-found", "--wait")
    cluster.kubectl(*arguments, namespace=None, seconds=180)


def wait_until_gone(cluster: Cluster) -> None:
    """Wait for what skaffold does not: the end of the namespace that it has deleted."""

    def namespace_is_gone() -> None:
        found = client.CoreV1Api(cluster.client()).list_namespace(**SOON).items
        assert "hellopod" not in {namespace.metadata.name for namespace in found}

    eventually(namespace_is_gone, seconds=120)


@pytest.fixture(scope="module")
def deployed(skaffold: Skaffold) -> Iterator[App]:
    """Give what `skaffold run` deploys."""
    skaffold("skaffold run")
    app = App(skaffold.cluster.client(), "hellopod")
    eventually(app.settled, seconds=180)
    yield app
    remove_namespace(skaffold.cluster)


def test_default_is_root_and_smoke_account(skaffold: Skaffold) -> None:
    plain = skaffold.cluster.kubectl("kustomize", skaffold.folder, namespace=None).stdout
    account = {(kind, "hellopod-smoke") for kind in ("ServiceAccount", "Role", "RoleBinding")}

    assert skaffold.rendered().keys() == by_name(plain).keys() | account


def test_production_is_the_overlay(skaffold: Skaffold) -> None:
    rendered = skaffold.rendered("production")

    assert {name for _, name in rendered} == {"hellopod"}
    [container] = rendered["Deployment", "hellopod"]["spec"]["template"]["spec"]["containers"]
    assert container["image"].startswith("registry.example.com/hellopod:")


def test_run_deploys_what_it_built(deployed: App) -> None:
    images = {pod.spec.containers[0].image for pod in deployed.ready().values()}

    [image] = images
    assert re.fullmatch("hellopod:[0-9a-f]{64}", image)  # in the manifests it is a version


def test_verify_passes(skaffold: Skaffold, deployed: App) -> None:
    output = skaffold(VERIFY).stdout

    assert re.search(r"\d passed in ", output)
    assert jobs(deployed) == set()


def test_verify_says_what_failed(skaffold: Skaffold, deployed: App) -> None:
    binding = skaffold.folder / "k8s/smoke/rolebinding.yaml"
    skaffold.cluster.kubectl("delete", "--filename", binding)
    try:
        ran = skaffold(VERIFY, check=False)
    finally:
        skaffold.cluster.kubectl("apply", "--filename", binding)

    assert ran.returncode == 1
    assert re.search(r"\d failed, ", ran.stdout)
    assert 'cannot list resource \\"pods\\"' in ran.stdout
    assert jobs(deployed) == set()


def jobs(app: App) -> set[str]:
    found = client.BatchV1Api(app.api).list_namespaced_job(app.namespace, **SOON).items
    return {job.metadata.name for job in found if not job.metadata.deletion_timestamp}


def test_smoke_account_only_reads(deployed: App) -> None:
    api = client.ApiClient(deployed.api.configuration)
    api.set_default_header("Impersonate-User", "system:serviceaccount:hellopod:hellopod-smoke")
    api.set_default_header("Impersonate-Group", "system:authenticated")
    review = {"spec": {"namespace": "hellopod"}}

    answer = client.AuthorizationV1Api(api).create_self_subject_rules_review(review, **SOON)

    rules = {
        (*rule.api_groups, *rule.resources, *(rule.resource_names or [])): set(rule.verbs)
        for rule in answer.status.resource_rules
        # Everybody may ask who they are and what they may.
        if not {"authorization.k8s.io", "authentication.k8s.io"} & set(rule.api_groups)
    }
    assert rules == {
        ("", "pods"): {"get", "list"},
        ("discovery.k8s.io", "endpointslices"): {"get", "list"},
        ("apps", "deployments", "hellopod"): {"get"},
    }


def test_delete_removes_everything(skaffold: Skaffold, deployed: App) -> None:
    skaffold("skaffold delete")

    wait_until_gone(skaffold.cluster)


@pytest.fixture(scope="module")
def dev(skaffold: Skaffold) -> Iterator[Dev]:
    """Give a running `skaffold dev`."""
    remove_namespace(skaffold.cluster)
    with skaffold.dev() as dev:
        yield dev
    remove_namespace(skaffold.cluster)


@pytest.fixture
def container(skaffold: Skaffold, dev: Dev) -> Iterator[None]:
    """Assert that the one container stays as it is, and that no image is built."""
    app = App(skaffold.cluster.client(), "hellopod")
    before = containers(app)
    assert len(before) == 1
    yield
    assert containers(app) == before
    assert dev.printed().count("Generating tags...") == 1


def containers(app: App) -> set[tuple[str, int]]:
    """Return each container of the app by its id, with the number of its restarts."""
    return {
        (status.container_id, status.restart_count)
        for pod in app.pods().values()
        for status in pod.status.container_statuses
    }


@pytest.mark.usefixtures("container")
class TestEdit:
    def test_api(self, dev: Dev) -> None:
        dev.greet("Edited in")

        dev.serves("/", "Edited in")

    def test_config(self, dev: Dev) -> None:
        dev.replace("service/config.py", "from service.version import.*", '__version__ = "9.8.7"')

        dev.serves("/version", '"9.8.7"')

    def test_runtime_module(self, dev: Dev) -> None:
        dev.append("service/runtime/gunicorn_conf.py", '\nraw_env = ["REVISION=edited"]\n')

        dev.serves("/version", '"edited"')

    def test_added_and_removed_module(self, dev: Dev) -> None:
        (dev.folder / "service/added").mkdir()
        dev.append("service/added/__init__.py", "")
        dev.append("service/api.py", "import service.added\n")
        dev.greet("Added to")
        dev.serves("/", "Added to")

        shutil.rmtree(dev.folder / "service/added")
        dev.replace("service/api.py", "import service.added\n", "import service.no_more\n")
        dev.prints("No module named 'service.no_more'")

        dev.replace("service/api.py", "import service.no_more\n", "")
        dev.greet("Removed from")
        dev.serves("/", "Removed from")

    def test_syntax_error_and_repair(self, dev: Dev) -> None:
        dev.append("service/api.py", "def broken(:\n")
        dev.prints("invalid syntax (api.py")

        dev.replace("service/api.py", r"def broken\(:\n", "")
        dev.greet("Repaired in")
        dev.serves("/", "Repaired in")

    def test_edit_beside_request_under_way(self, dev: Dev) -> None:
        dev.append("service/api.py", SLOW)
        dev.greet("Slow in")
        dev.serves("/", "Slow in")

        with ThreadPoolExecutor() as pool:
            pool.submit(dev.get, "/slow")
            dev.prints("a slow request has begun")
            dev.greet("Quick in")
            dev.serves("/", "Quick in")


def test_stopping_dev_removes_everything(skaffold: Skaffold, dev: Dev) -> None:
    assert dev.stop() == 0

    wait_until_gone(skaffold.cluster)
