"""k8s/overlays/chain: which of the three instances policies let reach which."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import absence
from .app import NAME, App
from .cluster import Cluster
from .instance import KINDS, LITTLE
from .kustomization import ROOT, reference, write
from .neighbours import Place, Target
from .test_network_policy import DEADLINE, NOTICED, restart_daemons
from .waiting import eventually

HOPS = ("front", "middle", "back")


def overlay(app: App, cluster: Cluster, folder: Path) -> None:
    """Write the overlay for the suite's namespace and image, with two pods of each."""
    image = app.deployment().spec.template.spec.containers[0].image
    requests = {"path": "/spec/template/spec/containers/0/resources/requests"}
    change = [{"op": "replace", **requests, "value": LITTLE["requests"]}]
    bounds = [{"op": "replace", "path": "/spec/maxReplicas", "value": 2}]
    write(
        folder,
        [ROOT / "k8s/overlays/chain"],
        namespace=cluster.namespace,
        images=[{"name": NAME, **reference(image)}],
        patches=[
            {"patch": json.dumps(change), "target": {"kind": "Deployment"}},
            {"patch": json.dumps(bounds), "target": {"kind": "HorizontalPodAutoscaler"}},
        ],
    )


@pytest.fixture(scope="module")
def chain(
    app: App, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, App]]:
    """Deploy the three; give each by its prefix."""
    folder = tmp_path_factory.mktemp("chain")
    overlay(app, cluster, folder)
    apps = {hop: App(app.api, app.namespace, name=f"{hop}-{NAME}") for hop in HOPS}
    try:
        cluster.kubectl("apply", "-k", folder, namespace=None)
        for hop in apps.values():
            eventually(hop.settled, seconds=180)
        yield apps
    finally:
        instances = ",".join(hop.name for hop in apps.values())
        selector = ("--selector", f"app.kubernetes.io/instance in ({instances})")
        cluster.kubectl("delete", KINDS, *selector, "--wait=false", seconds=180)


def test_policies_let_nothing_else_through(chain: dict[str, App], cluster: Cluster) -> None:
    places = {
        hop: Place(cluster, cluster.namespace, min(app.ready())) for hop, app in chain.items()
    }
    addresses = {hop: min(app.ready().items())[1].status.pod_ip for hop, app in chain.items()}

    def only_the_chain_is_let_through() -> None:
        for hop, place in places.items():
            others = [other for other in HOPS if other != hop]
            targets: dict[str, Target] = {other: (addresses[other], 8000, "/") for other in others}
            targets |= {f"{other}:9000": (addresses[other], 9000, "/metrics") for other in others}
            callee = {"front": {"middle"}, "middle": {"back"}, "back": set()}[hop]
            assert (hop, place.reached(targets)) == (hop, callee)

    def something_is_denied() -> None:
        assert not places["back"].reached({"front": (addresses["front"], 8000, "/")})

    try:
        eventually(something_is_denied, seconds=NOTICED)
    except AssertionError:
        restart_daemons(cluster)
    try:
        eventually(something_is_denied, seconds=DEADLINE)
    except AssertionError:
        absence.missing("NetworkPolicy", f"{DEADLINE} s after one was made all was open")
    eventually(only_the_chain_is_let_through, seconds=DEADLINE)
