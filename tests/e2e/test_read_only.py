"""The smoke tests on what is deployed already, by somebody who may read and do nothing else."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from .app import App
from .cluster import Cluster
from .commands import run
from .kustomization import ROOT, write

READER = "hellopod-smoke"  # of k8s/smoke
# Beyond what the Job in the cluster may do: from outside, requests go through the API server.
PROXY = {"apiGroups": [""], "resources": ["services/proxy"], "verbs": ["get"]}
ADD = [{"op": "add", "path": "/rules/-", "value": PROXY | {"resourceNames": ["hellopod:80"]}}]


@pytest.fixture(scope="module")
def kubeconfig(
    app: App, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Give the kubeconfig of somebody who may read, with one context, `reader`."""
    directory = tmp_path_factory.mktemp("reader")
    patch = {"target": {"kind": "Role"}, "patch": json.dumps(ADD)}
    write(directory, [ROOT / "k8s/smoke"], namespace=app.namespace, patches=[patch])
    cluster.kubectl("apply", "-k", directory, namespace=None)
    token = cluster.kubectl("create", "token", READER, "--duration=10m").stdout
    try:
        yield written(directory / "kubeconfig", cluster, token)
    finally:
        cluster.kubectl("delete", "-k", directory, namespace=None)


def written(file: Path, cluster: Cluster, token: str) -> Path:
    """Write a kubeconfig with the cluster of another one and a token."""
    view = ("config", "view", "--raw", "--minify", "--flatten", "--output=json")
    content = json.loads(cluster.kubectl(*view, namespace=None).stdout)
    content["users"] = [{"name": READER, "user": {"token": token}}]
    context = {"cluster": content["clusters"][0]["name"], "user": READER}
    content["contexts"] = [{"name": "reader", "context": context}]
    file.write_text(json.dumps(content))
    return file


def smoke(env: Mapping[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    return run(
        *(sys.executable, "-m", "pytest", Path(__file__).parent, *options, "--read-only"),
        env=env,
        check=False,
        seconds=120,
    )


def test_smoke_tests_pass(app: App, kubeconfig: Path) -> None:
    env = {"KUBECONFIG": str(kubeconfig)}
    ran = smoke(env, "--context=reader", f"--namespace={app.namespace}")

    assert ran.returncode == 0, ran.stdout
    assert "\nwith --read-only the smoke tests alone: the others deploy, " in ran.stdout
    assert re.search(r"[1-9]\d passed, \d+ deselected in ", ran.stdout)


def test_reader_only_reads(app: App, kubeconfig: Path) -> None:
    """Else the test above would prove nothing."""
    kubectl = ("kubectl", "--context=reader", "--namespace", app.namespace, "auth", "can-i")

    def may(verb: str, what: str) -> bool:
        env = {"KUBECONFIG": str(kubeconfig)}
        return run(*kubectl, verb, what, check=False, env=env).returncode == 0

    assert may("list", "pods")
    for verb in ("create", "update", "patch", "delete"):
        for what in ("pods", "deployment/hellopod", "service/hellopod", "namespaces"):
            assert not may(verb, what)


@pytest.mark.parametrize("context", ["here", "nowhere"])
def test_what_is_not_there_is_one_sentence(cluster: Cluster, context: str) -> None:
    here, sentence = cluster.context, "no context 'nowhere' in the kubeconfig: .*"
    if context == "here":
        context = here
        sentence = rf"no \S+ to read in the namespace 'kube-system' of '{here}': .*not found"
    ran = smoke(cluster.env, f"--context={context}", "--namespace=kube-system")

    assert ran.returncode == 4
    assert re.fullmatch(f"ERROR: {sentence}\n\n", ran.stderr)
