"""skaffold, as docs/deploy.md says to use it. Runs late (selection.py): it deploys by itself."""

import re
from collections.abc import Iterator

import pytest
from kubernetes import client

from .app import SOON, App
from .cluster import Cluster
from .skaffold import Skaffold, by_name
from .waiting import eventually

pytestmark = pytest.mark.needs("skaffold")
VERIFY = "skaffold build --quiet | skaffold verify --build-artifacts=-"


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
    skaffold.cluster.remove_namespace()


def test_default_is_root_and_smoke_account(skaffold: Skaffold) -> None:
    plain = skaffold.cluster.kubectl("kustomize", skaffold.copy.folder, namespace=None).stdout
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
    binding = skaffold.copy.folder / "k8s/smoke/rolebinding.yaml"
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


def test_stopping_dev_removes_everything(skaffold: Skaffold) -> None:
    skaffold.cluster.remove_namespace()
    with skaffold.session() as session:
        assert session.stop() == 0

    wait_until_gone(skaffold.cluster)
