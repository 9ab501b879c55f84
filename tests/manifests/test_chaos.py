"""The component that switches the /chaos endpoints on, in an overlay as a user writes one."""

import json
import os
from pathlib import Path

from kubernetes.utils.quantity import parse_quantity

from tests.manifests.conftest import Rendering

ROOT = Path(__file__).parents[2]


def chaos_token(rendering):
    return {each["name"]: each for each in rendering.container["env"]}.get("CHAOS_TOKEN")


def test_off_unless_chosen(rendering):
    assert chaos_token(rendering) is None


def test_memory_that_faults_hold_fits_into_the_limit(rendering):
    """As half of it: unless somebody raises the cap, nobody is killed."""
    limit = rendering.container["resources"]["limits"]["memory"]

    assert rendering.settings.chaos_max_bytes <= parse_quantity(limit) / 2


def test_token_comes_from_the_secret(tmp_path):
    def relative(place):
        return os.path.relpath(ROOT / place, tmp_path)

    overlay = {
        "resources": [relative("k8s/base")],
        "components": [relative("k8s/components/chaos")],
        "secretGenerator": [{"name": "hellopod-chaos", "literals": ["token=" + "x" * 32]}],
    }
    (tmp_path / "kustomization.yaml").write_text(json.dumps(overlay))
    rendering = Rendering(tmp_path)

    reference = {"key": "token", "name": rendering.find("Secret")["metadata"]["name"]}
    assert chaos_token(rendering)["valueFrom"] == {"secretKeyRef": reference}
