"""Size of the image and memory of its container, beside the tutorial's: python -m benchmarks.image

By Docker alone. Both images have the same base. For the memory the server has one core and its
clients the other.
"""

import sys
import time

from . import docker, load
from .comparison import OURS, Comparison, Goal, show
from .processes import running

MEMORY_ROUNDS, REQUESTS = 3, 20_000
CONNECTIONS = 16
REST = 3  # seconds after the first answer, or after the last
AT_REST = Goal(OURS, at_most=40, of="value")


def sizes() -> list[Comparison]:
    """Return the size of each image, and what each has beside the base."""
    whole = {image.name: docker.size(image.tag) for image in docker.IMAGES}
    base = docker.base_size()
    alone = {name: [size - base] for name, size in whole.items()}
    every = {name: [size] for name, size in {**whole, "the base": base}.items()}
    return [
        Comparison("image", "MB", every),
        Comparison("image on top of its base", "MB", alone),
    ]


def memory() -> list[Comparison]:
    """Return the working set of a fresh container of each image, and after requests for /."""
    fresh: dict[str, list[float]] = {image.name: [] for image in docker.IMAGES}
    after: dict[str, list[float]] = {image.name: [] for image in docker.IMAGES}
    for _ in range(MEMORY_ROUNDS):
        for image in docker.IMAGES:
            with running(docker.container(image)) as process:
                time.sleep(REST)
                fresh[image.name].append(docker.working_set(image))
                load.requests(f"{process.url}/", REQUESTS, CONNECTIONS)
                time.sleep(REST)
                after[image.name].append(docker.working_set(image))
    return [
        Comparison("memory of a container at rest", "MiB", fresh, (AT_REST,)),
        Comparison(f"memory of a container after {REQUESTS:,} requests", "MiB", after),
    ]


def measure() -> list[Comparison]:
    """Return memory and sizes; nothing without Docker."""
    if why_not := docker.why_not():
        print(f"images: left out: {why_not}", file=sys.stderr)
        return []
    for image in docker.IMAGES:
        docker.build(image)
    return [*memory(), *sizes()]


if __name__ == "__main__":
    show(measure())
