"""The commands for kind in docs/deploy.md, as they stand there."""

import json
import re

import pytest

from .app import App
from .cluster import Cluster
from .commands import run, running
from .kustomization import ROOT

SECTION = re.search(r"^## On kind$(.*?)^## ", (ROOT / "docs/deploy.md").read_text(), re.M | re.S)
QUICK_START, ASK_FROM_INSIDE = re.findall(r"```sh\n(.*?)```", SECTION[1], re.S)


@pytest.fixture(autouse=True)
def as_user(app: App, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be in the repository, with a kubeconfig and a kind cluster of one's own."""
    if cluster.kubeconfig is None or cluster.namespace != "hellopod":
        pytest.skip("these commands are for a cluster of one's own")
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    monkeypatch.setenv("KIND_CLUSTER_NAME", cluster.kind_name)


@pytest.mark.needs("curl")
def test_quick_start(app: App) -> None:
    create, *steps, port_forward = QUICK_START.strip().splitlines()
    assert create == "kind create cluster"  # which the suite has done
    for step in steps:
        run("sh", "-c", f"exec {step}", seconds=300)

    with running("sh", "-c", f"exec {port_forward}", until="Forwarding from 127.0.0.1:8000"):
        curl = ("curl", "--silent", "--show-error", "localhost:8000/api/identity")
        body = run(*curl).stdout

    assert json.loads(body)["pod"] in app.pods()


def test_ask_from_inside(app: App) -> None:
    answered = run("sh", "-c", ASK_FROM_INSIDE).stdout.splitlines()

    assert len(answered) == 6
    assert set(answered) <= set(app.pods())
