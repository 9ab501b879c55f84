"""SECURITY.md claims nothing that no test holds."""

import re
from pathlib import Path

import pytest

from service.version import __version__

REPOSITORY = Path(__file__).parents[2]
SECURITY = (REPOSITORY / "SECURITY.md").read_text()
MODEL = SECURITY.split("\n## Threat model\n")[1].split("\n### What is not defended\n")[0]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def rows():
    lines = [line.strip("|").split("|") for line in MODEL.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line] for line in lines]
    return [row for row in cells if row[-1] != "Held by" and set(row[0]) != {"-"}]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_each_line_names_its_tests(row):
    who, what, held_by = row

    assert who and what
    assert TEST.sub("", held_by).replace(", ", "") == ""
    for file, name in TEST.findall(held_by):
        assert f"\ndef {name}(" in (REPOSITORY / file).read_text(), (file, name)


def test_versions_are_this_one():
    assert set(re.findall(r"(?:hellopod:|/v)(\d[\w.]*)", SECURITY)) == {__version__}


def test_names_what_the_release_makes():
    release = (REPOSITORY / ".github/workflows/release.yml").read_text()

    for file in re.findall(r"\bhellopod\.(?:yaml|cdx\.json)", SECURITY):
        assert f"release/{file}" in release


def test_links_lead_somewhere():
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", SECURITY)

    assert links
    assert [link for link in links if not (REPOSITORY / link).exists()] == []


def test_make_targets_exist():
    targets = set(re.findall(r"\bmake ([a-z0-9-]+)", SECURITY))

    assert targets
    assert targets <= set(
        re.findall("^([a-z0-9-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    )
