"""What a scrape says."""

import re


def value(scrape: str, name: str) -> float:
    """Return the value of a metric that is there once."""
    found = re.search(rf"^{name} (\S+)$", scrape, re.M)
    assert found, scrape
    return float(found[1])


def open_descriptors(scrape: str) -> int:
    return int(value(scrape, "process_open_fds"))


def samples(scrape: str) -> int:
    """Return how many lines are values."""
    return sum(not line.startswith("#") for line in scrape.splitlines())
