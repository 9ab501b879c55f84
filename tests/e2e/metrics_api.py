"""The metrics API. Without it an autoscaler sees nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from kubernetes import client
from kubernetes.utils.quantity import parse_quantity

from .app import SOON, App
from .cluster import Cluster

MANIFEST = (
    "https://github.com/kubernetes-sigs/metrics-server/releases/download/v0.8.1/components.yaml"
)
# A kind node's kubelet signs its certificate itself.
INSECURE = """[{"op": "add", "path": "/spec/template/spec/containers/0/args/-",
                "value": "--kubelet-insecure-tls"}]"""


def present(api: client.ApiClient, group: str = "metrics.k8s.io") -> bool:
    """Tell whether something is registered to serve the metrics API, or another one."""
    services = client.ApiregistrationV1Api(api).list_api_service(**SOON)
    return any(service.spec.group == group for service in services.items)


def samples(app: App) -> list[tuple[float, float]]:
    """Return for each of the app's pods when it was sampled, as time.time(), and CPU in cores."""
    found = client.CustomObjectsApi(app.api).list_namespaced_custom_object(
        *("metrics.k8s.io", "v1beta1", app.namespace, "pods"), label_selector=app.selector, **SOON
    )
    return [
        (
            datetime.fromisoformat(pod["timestamp"]).timestamp(),
            sum(float(parse_quantity(each["usage"]["cpu"])) for each in pod["containers"]),
        )
        for pod in found["items"]
    ]


@contextmanager
def provided(cluster: Cluster, keep: bool) -> Iterator[None]:
    """Install metrics-server's pinned release on a kind cluster without one, while in use.

    On any other cluster that is its owner's decision.
    """
    if not cluster.kind_name or present(cluster.client()):
        yield
        return
    cluster.kubectl("apply", "--filename", MANIFEST, namespace="kube-system")
    try:
        patch = ("deployment/metrics-server", "--type=json", f"--patch={INSECURE}")
        cluster.kubectl("patch", *patch, namespace="kube-system")
        yield
    finally:
        if not keep:
            remove = ("delete", "--ignore-not-found", "--filename", MANIFEST)
            cluster.kubectl(*remove, namespace="kube-system")
