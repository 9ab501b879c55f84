"""Which tests run, and in which order."""

import pytest

SMOKE = "test_smoke"
VARIANTS = (
    "test_chaos",
    "test_connections",
    "test_liveness",
    "test_network_policy",
    "test_proxies",
    "test_tls",
)


def only_reading(option: object) -> str:
    """Return the option under which nothing is deployed and the smoke tests run alone, if any."""
    return "--url" if option.url else "--read-only" if option.read_only else ""


def sort(items: list[pytest.Item]) -> None:
    """Put what only reads first, then what changes something, then what removes everything.

    Before the end come those that deploy a variant. Then come those with a Prometheus, and those
    that suffer most from neighbours on the machine: of a run on another cluster little is left by
    then. Last are those that deploy by themselves and need the namespace free, and those that have
    clusters of their own.
    """
    variants = dict.fromkeys(VARIANTS, 2)
    observed = dict.fromkeys(
        ("test_scraping", "test_alerts", "test_instances", "test_autoscaling"), 3
    )
    disturbed = {"test_overload": 4, "test_zero_loss": 4}
    last = {"test_delete": 5, "test_skaffold": 6, "test_dev": 7, "test_up": 8, "test_addresses": 8}
    place = {SMOKE: 0, **variants, **observed, **disturbed, **last}
    # Eight pods that compute: more than a machine of two cores has for them, with neighbours.
    items.sort(key=lambda item: 4 if item.name == "test_cpu" else place.get(item.path.stem, 1))


def deselect_all_but_smoke(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what only reads."""
    config.hook.pytest_deselected(items=[item for item in items if item.path.stem != SMOKE])
    items[:] = [item for item in items if item.path.stem == SMOKE]
