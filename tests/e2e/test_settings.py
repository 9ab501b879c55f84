"""Settings from a ConfigMap, as in production: a change is a rollout, and a bad one stops it."""

import re

import pytest

from .app import App
from .cluster import Cluster
from .commands import CommandFailed
from .instance import LITTLE, Instance, container, deployed, pods, without_secrets
from .kustomization import ROOT
from .test_deploy import name_of_failed
from .variant import alone
from .waiting import eventually


def settings(**literals: str) -> list[dict]:
    """Return what changes the overlay's ConfigMap."""
    given = [f"{name}={value}" for name, value in literals.items()]
    return [{"name": "hellopod-settings", "behavior": "merge", "literals": given}]


@pytest.fixture
def production(app: App, cluster: Cluster, tmp_path) -> Instance:
    """Give the overlay, under another name and with less to ask for."""
    image = app.deployment().spec.template.spec.containers[0].image
    place = "k8s/overlays/production"
    patches = [pods(2), container(resources=LITTLE), without_secrets(ROOT / place)]
    return Instance(cluster, image, tmp_path, "set", place, patches=patches)


def test_a_change_is_a_rollout_and_a_bad_one_stops_it(
    cluster: Cluster, production: Instance
) -> None:
    with deployed(production) as app:
        before = set(app.pods())
        production.apply(configMapGenerator=settings(LOG_LEVEL="debug"))

        def all_have_the_change() -> None:
            app.settled()
            alone(app)  # the autoscaler may have added one of before
            assert not before & set(app.pods())

        eventually(all_have_the_change, seconds=120)
        changed = set(app.pods())
        for name in changed:
            assert '"LOG_LEVEL": "debug"' in cluster.kubectl("logs", name).stdout

        production.apply(configMapGenerator=settings(LOG_LEVEL="loud"))

        def new_pod_says_why() -> None:
            log = cluster.kubectl("logs", name_of_failed(app.pods()), "--previous").stdout
            assert re.fullmatch(r"hellopod: LOG_LEVEL='loud' is not allowed: .+\n", log), log

        eventually(new_pod_says_why, seconds=90, also=(CommandFailed,))
        assert changed <= set(app.ready())
        assert app.endpoints() == changed

        production.apply(configMapGenerator=settings(LOG_LEVEL="debug"))

        def the_old_ones_are_all() -> None:
            app.settled()
            assert set(app.pods()) == changed

        eventually(the_old_ones_are_all, seconds=60)
