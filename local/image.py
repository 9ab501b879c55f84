"""The image of the code as it stands, under a tag that says what is in it."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from local.steps import Failure, step, works

CODE = ("service", "Dockerfile", ".dockerignore", "requirements.txt")


def content_tag(root: Path) -> str:
    """Return a tag that is the same for the same code, so that nothing is rolled out in vain."""
    digest = hashlib.sha256()
    for file in sorted(files_of(root)):
        digest.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes() + b"\0")
    return f"local-{digest.hexdigest()[:12]}"


def files_of(root: Path) -> Iterator[Path]:
    """Find what the image is made of."""
    for name in CODE:
        place = root / name
        for file in place.rglob("*") if place.is_dir() else [place]:
            if file.is_file() and "__pycache__" not in file.parts:
                yield file


def bare(image: str) -> str:
    """Return the last part of its name: my-db of mirror.example.com:5000/my-db:17."""
    return image.rpartition("/")[2].partition(":")[0].partition("@")[0]


def variable(image: str) -> str:
    """Return the variable of make up that names another image in place of this one."""
    return f"{bare(image).upper().replace('-', '_')}_IMAGE"


def build(image: str, version: str) -> None:
    """Build the image, unless there is one of this name, and so of this content."""
    if works("docker", "image", "inspect", image):
        print(f"{image} is built already")
        return
    base = os.environ.get("PYTHON_IMAGE")
    step(
        f"Building {image}",
        *("docker", "build", "--tag", image, "--build-arg", f"VERSION={version}"),
        *(("--build-arg", f"PYTHON_IMAGE={base}") if base else ()),
        ".",
        failing="the image was not built; mend what is said above, then make up",
    )


def hand_over(images: Iterable[str], cluster: str) -> None:
    """Hand the node of a kind cluster those that Docker has. The node pulls the others itself."""
    for image in images:
        if not works("docker", "image", "inspect", image):
            continue
        load = ("kind", "load", "docker-image", image, "--name", cluster)
        failing = f"the node did not take {image}; it pulls it itself"
        try:
            step(f"Handing {image} to the node", *load, failing=failing)
        except Failure as failure:  # as one for several platforms, of which Docker has some
            print(failure)
