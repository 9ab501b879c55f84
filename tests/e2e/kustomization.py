"""What gets deployed: the root kustomization, as it is or through a temporary overlay."""

import json
import os
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from .commands import run

ROOT = Path(__file__).resolve().parents[2]


def write(directory: Path, resources: list[Path | str], **fields: Any) -> Path:
    """Write a kustomization of resources that are elsewhere; return its directory.

    A resource that is a string is an address: kustomize fetches it.
    """
    directory = directory.resolve()
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [
            place if isinstance(place, str) else relative(place, directory) for place in resources
        ],
        **fields,
    }
    (directory / "kustomization.yaml").write_text(json.dumps(content, indent=2))
    return directory


def relative(place: Path, directory: Path) -> str:
    """Return the way from a directory, because kustomize refuses an absolute one."""
    return os.path.relpath(place, directory.resolve())


def overlay(directory: Path, namespace: str, image: str | None, place: Path = ROOT) -> Path:
    """Write an overlay of a kustomization that chooses the namespace, and the image if given one.

    kustomize renames the Namespace object too, so it keeps its labels.
    """
    images = [{"name": "hellopod", **reference(image)}] if image else []
    return write(directory, [place], namespace=namespace, images=images)


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


def build(
    image: str,
    target: str = "runtime",
    requirements: str = "requirements.txt",
    folder: Path = ROOT,
) -> None:
    """Build a target of the Dockerfile under a name, with its tag as the version."""
    arguments = [
        "--tag",
        image,
        "--target",
        target,
        "--build-arg",
        f"VERSION={image.rpartition(':')[2]}",
        "--build-arg",
        f"REQUIREMENTS={requirements}",
    ]
    if base := os.environ.get("PYTHON_IMAGE"):
        arguments += ["--build-arg", f"PYTHON_IMAGE={base}"]
    if commit := revision():
        arguments += ["--build-arg", f"REVISION={commit}"]
    # BuildKit leaves out the stages that are not needed. Older Docker must be asked for it.
    run("docker", "build", *arguments, folder, env={"DOCKER_BUILDKIT": "1"}, seconds=600)


@cache  # a commit made while the suite runs is not what was built
def revision() -> str:
    """Return the commit that is checked out; nothing without git, a repository or a commit."""
    if not shutil.which("git"):
        return ""
    return run("git", "-C", ROOT, "rev-parse", "--verify", "HEAD", check=False).stdout.strip()
