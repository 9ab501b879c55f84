"""Images of the Dockerfile that tests deploy beside the first one."""

from collections.abc import Iterable

import pytest

from .app import NAME
from .kustomization import build

TRACED = f"{NAME}:traced"
DEV = f"{NAME}:e2e-dev"
OF_TESTS = {
    "test_chain": (TRACED, {"requirements": "requirements-otel.txt"}),
    "test_dev": (DEV, {"target": "dev"}),
}


def built(items: Iterable[pytest.Item]) -> list[str]:
    """Build those of this run. What they have in common goes to the nodes once, if they go at once.

    Their tests build them again and hand them over again. That takes a second.
    """
    stems = {item.path.stem for item in items}
    found = [image for stem, image in OF_TESTS.items() if stem in stems]
    for name, fields in found:
        build(name, **fields)
    return [name for name, _ in found]
