import pytest

from benchmarks import scrape_growth, servers


@pytest.mark.parametrize(
    ("name", "last", "holds"),
    [
        (servers.HELLOPOD.name, 6.6, True),
        (servers.HELLOPOD.name, 6.7, False),
        (servers.EXPORTER.name, 6000.0, None),
    ],
)
def test_a_scrape_of_ours_may_not_grow(name, last, holds):
    sizes = dict(zip(scrape_growth.STEPS, ([6.0], [6.2], [6.2], [last]), strict=True))
    process = servers.Running(8000, "", 1, 0.1)

    found = scrape_growth.growth(scrape_growth.Scraped(name, process, dict(sizes), sizes))

    assert [comparison.rows()[-1]["holds"] for comparison in found] == [holds, holds]
    assert found[1].rows()[-1]["ours"]["median"] == last / 6
