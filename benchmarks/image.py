"""Size of the image and time of its build, beside the Dockerfile of most tutorials.

python -m benchmarks.image

Both have the same base, which is on this machine before. Cold is without Docker's cache: with all
downloads, so the network is part of it.
"""

import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from . import docker
from .comparison import Comparison, interleaved

CHANGES, COLD = 5, 3  # builds of each


@contextmanager
def copied(image: docker.Image) -> Iterator[Path]:
    """Give a copy of what the build reads, to change."""
    with tempfile.TemporaryDirectory() as directory:
        for name in image.files:
            copy = shutil.copytree if (image.context / name).is_dir() else shutil.copy2
            copy(image.context / name, Path(directory, name))
        yield Path(directory)


def after_change(image: docker.Image, options: Sequence[str] = ()) -> Callable[[], float]:
    """Return what changes a line of the code, builds, and says how long that took."""

    def measurement() -> float:
        with copied(image) as context:
            with (context / image.code).open("a") as file:
                file.write(f"# {secrets.token_hex(8)}\n")
            return docker.build(image, context, *options)

    return measurement


def sizes() -> list[Comparison]:
    """Return the size of each image, and what each has beside the base."""
    for image in docker.IMAGES:
        docker.build(image)
    base = docker.base_size()
    whole = {image.name: docker.size(image.tag) for image in docker.IMAGES}
    return [
        Comparison(
            "image", "MB", {name: [size] for name, size in {**whole, "the base": base}.items()}
        ),
        Comparison(
            "image on top of its base", "MB", {name: [size - base] for name, size in whole.items()}
        ),
    ]


def times(what: str, rounds: int, *options: str) -> Comparison:
    builds = {image.name: after_change(image, options) for image in docker.IMAGES}
    return Comparison(what, "s", interleaved(builds, rounds))


def measure(changes: int = CHANGES, cold: int = COLD) -> list[Comparison]:
    """Return sizes and build times; nothing without Docker."""
    if why_not := docker.why_not():
        print(f"images: left out: {why_not}", file=sys.stderr)
        return []
    found = sizes()
    found.append(times("build after a change of one line", changes))
    found.append(times("build without a cache", cold, "--no-cache"))
    for image in docker.IMAGES:  # as they are, for what comes next
        docker.build(image)
    return found


if __name__ == "__main__":
    for comparison in measure():
        print(comparison.table())
