"""What `skaffold verify` runs, and what it may do."""

import kubernetes_validate
import pytest
import yaml

from tests.manifests.conftest import ROOT, render
from tests.manifests.test_kubernetes import RESTRICTED, SUPPORTED

JOB = yaml.safe_load((ROOT / "k8s/smoke/job.yaml").read_text())


@pytest.mark.parametrize("version", SUPPORTED)
def test_schema(version):
    for item in [*render("k8s/smoke").objects, JOB]:
        kubernetes_validate.validate(item, version, strict=True)


def test_job_is_restricted():
    pod = JOB["spec"]["template"]["spec"]
    [container] = pod["containers"]
    security = pod["securityContext"] | container["securityContext"]

    assert security.items() >= RESTRICTED.items()
    assert security["readOnlyRootFilesystem"] is True
    assert JOB["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"] != "hellopod"


def test_account_only_reads():
    role = render("k8s/smoke").find("Role")

    assert JOB["spec"]["template"]["spec"]["serviceAccountName"] == role["metadata"]["name"]
    assert all(set(rule["verbs"]) <= {"get", "list"} for rule in role["rules"])
