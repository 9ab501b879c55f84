"""Memory of a container at rest, and after requests: python -m benchmarks.memory

By Docker alone, beside the tutorial's image, in turn. The server has one core, oha the other.
"""

import sys
import time
from collections.abc import Mapping

from . import docker, oha
from .comparison import OURS, Comparison, Goal

ROUNDS, REQUESTS = 2, 20_000
CONNECTIONS = 16
REST = 3  # seconds after the first answer, or after the last
AT_REST = Goal(OURS, at_most=60, of="value")


def working_sets(image: docker.Image, requests: int) -> tuple[float, float]:
    """Return MiB of a fresh container and of the same one after requests for /."""
    with docker.serving(image) as container:
        time.sleep(REST)
        fresh = container.working_set()
        oha.requests(f"{container.url()}/", requests, CONNECTIONS)
        time.sleep(REST)
        return fresh, container.working_set()


def measure(rounds: int = ROUNDS, requests: int = REQUESTS) -> list[Comparison]:
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
    for comparison in measure():
        print(comparison.table())
