import pytest

from benchmarks import scrape, servers


@pytest.mark.parametrize(
    ("name", "last", "holds"),
    [
        (servers.HELLOPOD.name, 6.6, True),
        (servers.HELLOPOD.name, 6.7, False),
        (servers.EXPORTER.name, 6000.0, None),
    ],
)
def test_a_scrape_of_ours_may_not_grow(name, last, holds):
    sizes = {scrape.FIRST: [6.0], "20,000 requests": [6.2], "10,000 paths": [last]}

    times = {traffic: [value / 4 for value in values] for traffic, values in sizes.items()}

    found = scrape.growth(name, times, sizes)

    assert [comparison.rows()[0]["median"] for comparison in found] == [1.5, 6]
    assert [comparison.rows()[-1]["holds"] for comparison in found] == [holds, holds]
    assert found[1].rows()[-1]["ours"]["median"] == last / 6
