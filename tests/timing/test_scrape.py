"""A scrape is cheap."""

import pytest

from benchmarks import scrape
from tests.process.test_metrics import PROMETHEUS


@pytest.mark.parametrize("accept", ["text/plain", PROMETHEUS], ids=["text", "openmetrics"])
def test_a_scrape_costs_little_more_than_the_library(accept):
    """The promise is 1.5 times, on a quiet machine: benchmarks/scrape.py."""
    theirs, _ = scrape.library(50)
    ours, _ = scrape.service(50, accept)

    assert ours < 5 * theirs
