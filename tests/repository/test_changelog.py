"""CHANGELOG.md has the form of Keep a Changelog, and a release is as its tag's notes would be."""

import re
from pathlib import Path

import pytest

from service.version import __version__

CHANGELOG = (Path(__file__).parents[2] / "CHANGELOG.md").read_text()
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
RELEASE = re.compile(r"\[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)")


def sections():
    """Return what follows each heading of a version, newest first."""
    parts = re.split(r"^## (.*)\n", CHANGELOG, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def kinds(section):
    return re.findall(r"^### (.*)$", section, re.MULTILINE)


def entries(section):
    """Return each entry in one line."""
    return [
        " ".join(each.split()) for each in re.findall(r"^- ((?:.+\n)+?)(?=- |\n|$)", section, re.M)
    ]


def test_unreleased_is_first_and_releases_have_dates():
    first, *releases = sections()
    found = [RELEASE.fullmatch(heading).groups() for heading in releases]

    assert first == "[Unreleased]"
    assert found[0][0] == __version__
    assert found == sorted(found, key=lambda each: each[1], reverse=True)


@pytest.mark.parametrize("heading", sections())
def test_kinds_of_changes(heading):
    section = sections()[heading]

    assert kinds(section) == [kind for kind in KINDS if kind in kinds(section)]
    assert entries(section)


def test_a_first_release_has_no_history():
    [*_, first] = sections().values()

    assert kinds(first) == ["Added"]
    assert re.findall(r"in place of \d|\bis gone\b|\brebuilt\b|\bnow\s+refuse", first) == []


def test_each_entry_is_there_once():
    """In one section: no release is edited when something changes later."""
    begun = [entry[:25] for section in sections().values() for entry in entries(section)]

    assert len(begun) > 40
    assert [each for each in begun if begun.count(each) > 1] == []


def test_each_version_has_a_link():
    named = [heading.split("]")[0].strip("[") for heading in sections()]

    assert re.findall(r"^\[(.*)\]: https://\S+$", CHANGELOG, re.MULTILINE) == named


def test_no_line_is_long():
    assert max(map(len, CHANGELOG.splitlines())) <= 160
