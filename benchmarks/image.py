"""Size of the image, time of its build and memory of its container, beside the tutorial's.

python -m benchmarks.image

By Docker alone. Both images have the same base, which is on this machine before. Cold is without
Docker's cache: with all downloads, so the network is part of it. For the memory the server has one
core and its clients the other.
"""

import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from . import docker, load
from .comparison import OURS, Comparison, Goal, interleaved

CHANGES, COLD = 3, 1  # builds of each
MEMORY_ROUNDS, REQUESTS = 2, 20_000
CONNECTIONS = 16
REST = 3  # seconds after the first answer, or after the last
AT_REST = Goal(OURS, at_most=60, of="value")


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


def working_sets(image: docker.Image, requests: int) -> tuple[float, float]:
    """Return MiB of a fresh container and of the same one after requests for /."""
    with docker.serving(image) as container:
        time.sleep(REST)
        fresh = container.working_set()
        load.requests(f"{container.url()}/", requests, CONNECTIONS)
        time.sleep(REST)
        return fresh, container.working_set()


def memory(rounds: int = MEMORY_ROUNDS, requests: int = REQUESTS) -> list[Comparison]:
    """Return the working set of each image's container; nothing without Docker."""
    if why_not := docker.why_not():
        print(f"memory: left out: {why_not}", file=sys.stderr)
        return []
    for image in docker.IMAGES:
        docker.build(image)
    fresh: Mapping[str, list[float]] = {image.name: [] for image in docker.IMAGES}
    after: Mapping[str, list[float]] = {image.name: [] for image in docker.IMAGES}
    for _ in range(rounds):
        for image in docker.IMAGES:
            found = working_sets(image, requests)
            for values, value in zip((fresh, after), found, strict=True):
                values[image.name].append(value)
    return [
        Comparison("memory of a container at rest", "MiB", fresh, (AT_REST,)),
        Comparison(f"memory of a container after {requests:,} requests", "MiB", after),
    ]


if __name__ == "__main__":
    for comparison in (*measure(), *memory()):
        print(comparison.table())
