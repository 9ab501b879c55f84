"""What gets deployed: the root kustomization, as it is or through a temporary overlay."""

import json
import os
import shutil
from functools import cache
from pathlib import Path

import yaml

from .commands import run

ROOT = Path(__file__).resolve().parents[2]


def overlay(directory: Path, namespace: str, image: str | None) -> Path:
    """Write an overlay of the root that only chooses the namespace, and the image if one is given.

    kustomize renames the Namespace object too, so it keeps its labels.
    """
    directory = directory.resolve()
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": namespace,
        # Relative, because kustomize refuses an absolute path here.
        "resources": [os.path.relpath(ROOT, directory)],
        "images": [{"name": "hellopod", **reference(image)}] if image else [],
    }
    (directory / "kustomization.yaml").write_text(json.dumps(content, indent=2))
    return directory


def reference(image: str) -> dict[str, str]:
    """Split an image reference into the fields of kustomize's `images`."""
    rest, _, digest = image.partition("@")
    path, slash, last = rest.rpartition("/")
    last, _, tag = last.partition(":")  # a colon further left belongs to the registry's port
    fields = {"newName": path + slash + last, "newTag": tag, "digest": digest}
    return {name: value for name, value in fields.items() if value}


def image_of(kustomization: Path) -> str:
    """Return the image that the rendered Deployment names."""
    rendered = run("kubectl", "kustomize", kustomization).stdout
    for manifest in yaml.safe_load_all(rendered):
        if manifest["kind"] == "Deployment":
            return manifest["spec"]["template"]["spec"]["containers"][0]["image"]
    raise LookupError(f"no Deployment in {kustomization}")


def build(image: str) -> None:
    """Build the image under the name that the manifests use, with its tag as the version."""
    arguments = ["--tag", image, "--build-arg", f"VERSION={image.rpartition(':')[2]}"]
    if base := os.environ.get("PYTHON_IMAGE"):
        arguments += ["--build-arg", f"PYTHON_IMAGE={base}"]
    if commit := revision():
        arguments += ["--build-arg", f"REVISION={commit}"]
    # BuildKit, which older Docker must be asked for, leaves out the stages that are not needed.
    run("docker", "build", *arguments, ROOT, env={"DOCKER_BUILDKIT": "1"}, seconds=600)


@cache  # a commit made while the suite runs is not what was built
def revision() -> str:
    """Return the commit that is checked out; nothing without git, a repository or a commit."""
    if not shutil.which("git"):
        return ""
    return run("git", "-C", ROOT, "rev-parse", "--verify", "HEAD", check=False).stdout.strip()
