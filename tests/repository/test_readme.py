"""What README and docs/ say of hellopod: its promises, and what was measured of it."""

import re
from pathlib import Path

from benchmarks import results

REPOSITORY = Path(__file__).parents[2]
README, PROMISES, BENCHMARKS = (
    (REPOSITORY / name).read_text()
    for name in ("README.md", "docs/promises.md", "docs/benchmarks.md")
)
PROOF = re.compile(r"`((?:benchmarks/)?tests/[\w/]+\.py)`")


def test_readme_is_one_page():
    lines = README.splitlines()

    assert len(lines) <= 150
    assert len(README.split()) <= 1100
    assert max(map(len, lines)) <= 160


def test_readme_lists_the_endpoints():
    """tests/documents compares the list with the routes, if there is one."""
    assert "\n## Endpoints\n" in README


def test_each_promise_of_the_readme_is_explained():
    assert set(PROOF.findall(README)) <= set(PROOF.findall(PROMISES))


def test_each_promise_names_its_proof():
    promises = [paragraph for paragraph in PROMISES.split("\n\n") if paragraph.startswith("**")]

    assert len(promises) > 20
    assert [each for each in promises if not PROOF.findall(each.partition("Proof: ")[2])] == []


def test_benchmarks_are_quoted():
    assert results.table(results.read("bench")["rows"]) in BENCHMARKS


def test_readme_quotes_what_its_picture_shows():
    found = results.read("beside_stock")
    both = ("hellopod", "stock gunicorn, 16 threads")
    rates, kept, lost = (
        [found[quantity]["servers"][name]["median"] for name in both]
        for quantity in ("rate", "goodput", "lost")
    )

    for quoted in (
        f"{rates[0]:.1f} times the rate of stock gunicorn",
        f"keeps {100 * kept[0]:.0f} % of it; stock gunicorn keeps {100 * kept[1]:.0f} %",
        f"loses {lost[0]:.0f} requests; stock gunicorn loses {lost[1]:.0f}",
    ):
        assert quoted in README
