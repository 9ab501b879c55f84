"""The manifests as `kubectl apply -k` renders them."""

import json
import os
import shutil
import subprocess
from dataclasses import fields
from functools import cache, cached_property
from pathlib import Path

import pytest
import yaml

from service.config import Config

ROOT = Path(__file__).parents[2]
OVERLAYS = {f"k8s/overlays/{folder.name}" for folder in (ROOT / "k8s/overlays").iterdir()}
DEV = "k8s/overlays/dev"  # a single pod that the autoscaler leaves alone
CHAIN = "k8s/overlays/chain"  # three Deployments: test_guide_to_instances.py
SCALED = sorted({".", "k8s/base", *OVERLAYS} - {DEV, CHAIN})


class Rendering:
    """What one kustomization makes, and the parts of it that the tests look at."""

    def __init__(self, place):
        if not shutil.which("kubectl") and os.environ.get("CI") != "true":
            pytest.skip("kubectl is not on PATH")
        self.place = place
        # Needs no network. What it warns of, such as deprecated fields, is on stderr.
        command = ["kubectl", "kustomize", ROOT / place]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert not (ran.returncode or ran.stderr), ran.stderr
        self.objects = list(yaml.safe_load_all(ran.stdout))

    def find(self, kind):
        """Return the only one of a kind, or the service's among those that a fork has added."""
        found = [item for item in self.objects if item["kind"] == kind]
        if len(found) > 1:
            found = [item for item in found if item["metadata"]["name"] == "hellopod"]
        [only] = found
        return only

    @cached_property
    def kinds(self):
        return {item["kind"] for item in self.objects}

    @cached_property
    def deployment(self):
        return self.find("Deployment")["spec"]

    @cached_property
    def pod(self):
        return self.deployment["template"]["spec"]

    @cached_property
    def container(self):
        [only] = self.pod["containers"]
        return only

    @cached_property
    def probes(self):
        return {name: probe for name, probe in self.container.items() if name.endswith("Probe")}

    @cached_property
    def settings(self):
        """What the container's variables mean, those of its ConfigMaps too."""
        given = {}
        for source in self.container.get("envFrom", []):
            name = source["configMapRef"]["name"]
            [found] = [item for item in self.objects if item["metadata"]["name"] == name]
            given |= found["data"]
        env = {e["name"]: e["value"] for e in self.container["env"] if "value" in e}
        # Not what a file of the pod holds: the file is not here.
        secret = {f"{field.name.upper()}_FILE" for field in fields(Config)}
        return Config.from_env(
            given | {name: value for name, value in env.items() if name not in secret}
        )


@cache
def render(place):
    return Rendering(place)


def included(place):
    """Return the names of the components that a kustomization of the repository has."""
    content = yaml.safe_load((ROOT / place / "kustomization.yaml").read_text())
    return {Path(component).name for component in content.get("components", [])}


def overlay(folder, place, *components, **fields):
    """Render an overlay as a user writes one, of a kustomization in here with components."""

    def relative(path):
        return os.path.relpath(ROOT / path, folder)

    # kustomize refuses objects that are there already.
    added = [name for name in components if name not in included(place)]
    content = {
        "resources": [relative(place)],
        "components": [relative(f"k8s/components/{name}") for name in added],
        **fields,
    }
    (folder / "kustomization.yaml").write_text(json.dumps(content))
    return Rendering(folder)


@pytest.fixture(params=[*SCALED, DEV])
def rendering(request):
    return render(request.param)


@pytest.fixture(params=SCALED)
def scaled(request):
    return render(request.param)


@pytest.fixture
def dev():
    return render(DEV)
