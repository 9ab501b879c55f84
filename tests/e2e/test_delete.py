"""The end: `kubectl delete -k .`. Runs after all other tests (conftest.py)."""

from kubernetes import client

from .app import SOON, App
from .cluster import Cluster
from .waiting import eventually


def test_delete_leaves_nothing(app: App, cluster: Cluster) -> None:
    cluster.delete()

    def nothing_is_left() -> None:
        arguments = ("get", "-k", cluster.kustomization, "--ignore-not-found", "-o", "name")
        left = cluster.kubectl(*arguments, namespace=None).stdout
        assert left == ""
        # All else that is about the app lives in its namespace.
        namespaces = client.CoreV1Api(app.api).list_namespace(**SOON).items
        assert app.namespace not in {namespace.metadata.name for namespace in namespaces}

    eventually(nothing_is_left, seconds=60)
