"""What the cluster, its security level and its controllers expect."""

from pathlib import Path

import kubernetes_validate
import pytest
from kubernetes.utils.quantity import parse_quantity

ROOT = Path(__file__).parents[2]
SUPPORTED = ["1.33", "1.36"]  # the oldest and the newest, as in docs/development.md
RESTRICTED = {  # https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}


@pytest.mark.parametrize("version", SUPPORTED)
def test_schema(rendering, version):
    for item in rendering.objects:
        kubernetes_validate.validate(item, version, strict=True)


def test_one_name_and_namespace(rendering):
    bare = rendering.place == "k8s/base"

    assert ("Namespace" in rendering.kinds) is not bare
    for item in rendering.objects:
        name, labels = item["metadata"]["name"], item["metadata"].get("labels", {})
        if item["kind"] in ("ConfigMap", "NetworkPolicy", "Secret"):  # there may be more than one
            assert name.startswith("hellopod-")
        else:  # or it is another app, as a database beside the service
            assert name in ("hellopod", labels.get("app.kubernetes.io/name"))
        if item["kind"] == "Namespace":
            assert item["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        else:
            assert item["metadata"].get("namespace") == (None if bare else "hellopod")


def test_selectors_find_the_pods(rendering):
    name = {f"app.kubernetes.io/{label}": "hellopod" for label in ("name", "instance")}

    assert rendering.deployment["template"]["metadata"]["labels"].items() >= name.items()
    assert rendering.find("Service")["spec"]["selector"] == name
    # Exactly these: a selector is immutable.
    assert rendering.deployment["selector"]["matchLabels"] == name


def test_one_node_suffices(rendering):
    [spread] = rendering.pod["topologySpreadConstraints"]

    assert spread["whenUnsatisfiable"] == "ScheduleAnyway"
    assert spread["labelSelector"] == rendering.deployment["selector"]


def test_restricted(rendering):
    pod, container = rendering.pod, rendering.container
    security = pod["securityContext"] | container["securityContext"]
    user = f"USER {security['runAsUser']}:{security['runAsGroup']}\n"

    assert security.items() >= RESTRICTED.items()
    assert security["readOnlyRootFilesystem"] is (rendering.place != "k8s/overlays/dev")
    assert user in (ROOT / "Dockerfile").read_text()
    assert pod["enableServiceLinks"] is False
    folders = [volume["emptyDir"] for volume in pod["volumes"] if "emptyDir" in volume]
    assert all("sizeLimit" in folder for folder in folders)
    resources = container["resources"]
    assert resources["limits"].keys() == {"memory", "ephemeral-storage"}
    assert resources["requests"].keys() == {"cpu", "memory", "ephemeral-storage"}
    for name in resources["limits"]:
        wanted, most = (mebibytes(resources[of][name]) for of in ("requests", "limits"))
        assert wanted <= most
        if rendering.place == "k8s/base":  # overlays are for nodes and handlers of any size
            assert most <= 512
    volumes = sum(mebibytes(folder["sizeLimit"]) for folder in folders)
    # The kubelet counts the logs too: five files of 10 MiB and one that it is about to rotate.
    assert mebibytes(resources["limits"]["ephemeral-storage"]) >= volumes + 60


def mebibytes(amount):
    return float(parse_quantity(amount)) / 2**20


def test_no_token(rendering):
    account = rendering.find("ServiceAccount")

    assert rendering.pod["serviceAccountName"] == account["metadata"]["name"]
    assert rendering.pod["automountServiceAccountToken"] is False
    assert account["automountServiceAccountToken"] is False


def test_autoscaler(scaled):
    spec = scaled.find("HorizontalPodAutoscaler")["spec"]
    [metric] = [metric["containerResource"] for metric in spec["metrics"]]
    grace = scaled.pod["terminationGracePeriodSeconds"]

    assert "replicas" not in scaled.deployment
    assert spec["scaleTargetRef"].items() >= {"kind": "Deployment", "name": "hellopod"}.items()
    # One may go with its node, and a crowd meets as many as there are.
    assert 2 <= spec["minReplicas"] < spec["maxReplicas"]
    assert 50 <= metric["target"]["averageUtilization"] <= 90
    assert spec["behavior"]["scaleUp"]["policies"]
    assert metric["container"] == scaled.container["name"]
    assert metric["name"] in scaled.container["resources"]["requests"]
    assert all(p["periodSeconds"] > grace for p in spec["behavior"]["scaleDown"]["policies"])


def test_disruption(scaled):
    budget = scaled.find("PodDisruptionBudget")["spec"]

    assert budget["selector"] == scaled.deployment["selector"]
    assert budget["maxUnavailable"] == 1
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    rollout = scaled.deployment["strategy"]["rollingUpdate"]
    assert rollout["maxUnavailable"] == 0 < int(rollout["maxSurge"].removesuffix("%"))


def test_dev_is_one_pod(dev):
    assert dev.deployment["replicas"] == 1
    assert not dev.kinds & {"HorizontalPodAutoscaler", "PodDisruptionBudget"}
    # A restart by the kubelet would throw away the synced files.
    assert dev.probes.keys() == {"readinessProbe"}
