"""What README and docs/ say of hellopod: its promises, and what was measured of it."""

import re
from pathlib import Path

import pytest

from benchmarks import results

REPOSITORY = Path(__file__).parents[2]
README, PROMISES, BENCHMARKS = (
    (REPOSITORY / name).read_text()
    for name in ("README.md", "docs/promises.md", "docs/benchmarks.md")
)
# A link from the root or from docs/. Its text names the file, and perhaps one test in it.
PROOF = re.compile(r"\[([\w/:]+)\]\((?:\.\./)?((?:benchmarks/)?tests/[\w/]+\.py)\)")


def test_readme_is_one_page():
    lines = README.splitlines()

    assert len(lines) <= 150
    assert len(README.split()) <= 1100
    assert max(map(len, lines)) <= 160


def test_readme_lists_the_endpoints():
    """tests/documents compares the list with the routes, if there is one."""
    assert "\n## Endpoints\n" in README


def test_each_promise_of_the_readme_has_a_link_to_its_test():
    section = README.split("\n## What it promises\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (?!Promise |-).* \| (.*) \|$", section, re.MULTILINE)

    assert len(cells) > 10
    assert [cell for cell in cells if not PROOF.fullmatch(cell)] == []


def test_each_promise_of_the_readme_is_explained():
    assert files(README) <= files(PROMISES)


def files(text):
    return {file for _, file in PROOF.findall(text)}


@pytest.mark.parametrize(("text", "file"), sorted(set(PROOF.findall(README + PROMISES))))
def test_a_link_names_what_it_leads_to(text, file):
    path, _, test = text.partition("::")

    assert file.removesuffix(".py").endswith(f"/{path}") or file == f"{path}.py"
    assert not test or f"\ndef {test}(" in (REPOSITORY / file).read_text()


def test_readme_says_what_sigkill_may_lose():
    """In short; observability.md has the whole."""
    for document in (README, (REPOSITORY / "docs/observability.md").read_text()):
        [lost] = re.findall(r"SIGKILL (?:may lose|loses) .*", document)
        assert "last 0.1 s" in lost
        assert re.search("slow reader (?:has )?kept waiting", lost)


def test_each_promise_names_its_proof():
    promises = [paragraph for paragraph in PROMISES.split("\n\n") if paragraph.startswith("**")]

    assert len(promises) > 20
    assert [each for each in promises if not PROOF.findall(each.partition("Proof: ")[2])] == []


def test_matplotlib_is_installed_in_one_way():
    assert "`make .venv/bench" in README
    assert "`make .venv/bench" in BENCHMARKS
    assert "pip install" not in README + BENCHMARKS


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


@pytest.mark.parametrize("name", ["fork/README.md", "CONTRIBUTING.md", "docs/your-own-service.md"])
def test_coverage_is_named_where_tests_are(name):
    """`make test` prints none: it would take half as much CPU again."""
    assert "make coverage" in (REPOSITORY / name).read_text()
