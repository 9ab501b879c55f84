"""Which tests run, and in which order."""

import pytest

SMOKE = "test_smoke"  # only reads, and comes first
# What comes after all others, in this order: files, and single tests.
LATE = (
    # These deploy a variant.
    ("test_chaos", "test_liveness", "test_network_policy", "test_proxies", "test_tls"),
    # These have a Prometheus.
    ("test_scraping", "test_alerts", "test_instances", "test_autoscaling"),
    # Neighbours on the machine disturb these most. Of a run on another cluster little is left now.
    ("test_autoscaling::test_cpu", "test_connections", "test_overload", "test_zero_loss"),
    # These deploy by themselves and need the namespace free.
    ("test_delete",),
    ("test_skaffold",),
    ("test_dev",),
    # These have clusters of their own.
    ("test_up", "test_addresses"),
)
PLACES = {name: number for number, names in enumerate(LATE, start=2) for name in names}


def only_reading(option: object) -> str:
    """Return the option under which nothing is deployed and the smoke tests run alone, if any."""
    return "--url" if option.url else "--read-only" if option.read_only else ""


def sort(items: list[pytest.Item]) -> None:
    """Put the smoke tests first, and what is LATE last."""
    items.sort(key=place)


def place(item: pytest.Item) -> int:
    """Return the number of a test's group; those of one group keep their order."""
    file, name = item.path.stem, item.name.partition("[")[0]
    return 0 if file == SMOKE else PLACES.get(f"{file}::{name}", PLACES.get(file, 1))


def deselect_all_but_smoke(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what only reads."""
    config.hook.pytest_deselected(items=[item for item in items if item.path.stem != SMOKE])
    items[:] = [item for item in items if item.path.stem == SMOKE]
