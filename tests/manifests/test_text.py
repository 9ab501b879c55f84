"""How the files are written: what a rendering no longer shows."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = ("kustomization.yaml", "k8s/**/*.yaml", "tests/e2e/**/*.yaml")
FILES = [file for place in PLACES for file in sorted(ROOT.glob(place))]

every_file = pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))


# A number, quantity or percentage with no comment behind it; newTag is only a name, and the group
# has the number of the user above it.
NAMED = r"(- )?(?!newTag|runAsGroup)([\w./-]+: )?"
BARE = re.compile(rf'\s*{NAMED}"?[0-9][0-9.]*[A-Za-z%]{{0,2}}"?\s*')
SEVERAL = re.compile(r"\s*# (Both|All)\b")


def without_a_reason(text):
    """Return the lines with a number that no comment is about.

    One is about the next line, or, if it begins with Both or All, about the fields that follow.
    """
    found, before, depth = [], "", -1
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        is_comment, was_comment = (each.strip().startswith("#") for each in (line, before))
        if is_comment and not was_comment:
            depth = indent if SEVERAL.match(line) else -1
        elif not depth <= indent <= depth + len("- "):
            depth = -1
        if BARE.fullmatch(line) and not was_comment and depth < 0:
            found.append(line)
        before = line
    return found


@every_file
def test_numbers_have_a_reason(file):
    assert without_a_reason(file.read_text()) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: 1", 1),
        ("# Why.\na: 1", 0),
        ("# Why.\na: 1\nb: 2", 1),
        ("# Both of it.\na: 1\nb: 2", 0),
        ("# Both: why,\n# and more.\na: 1\nb: 2", 0),
        ("# All of it.\n- name: a\n  port: 1\n- name: b\n  port: 2", 0),
        ("s:\n  # Both of it.\n  a: 1\n  b: 2\nc: 3", 1),
        ("# Both of it.\na: 1\nb: 2\n# Another.\nc: 3\nd: 4", 1),
        ("# Both of it.\na:\n  b:\n    c: 3", 1),
        ('# Bother.\na: "1"\nb: "70"', 1),
    ],
)
def test_what_a_comment_is_about(text, found):
    assert len(without_a_reason(text)) == found


@every_file
def test_no_comment_only_points_up(file):
    """A second field of the same kind needs none: see Both and All, or give it a reason."""
    assert not re.search(r"^\s*# As (above|for \w+)\.$", file.read_text(), re.MULTILINE)


@every_file
def test_nothing_is_commented_out(file):
    assert not re.search(r"^\s*#\s*(- )?[a-z][\w./-]*:(\s|$)", file.read_text(), re.MULTILINE)


@every_file
def test_nothing_is_deprecated(file):
    text = file.read_text()
    # There is no other name for it where kustomize is told of selectors.
    deprecated = "" if file.name == "kustomizeconfig.yaml" else "commonLabels|"
    assert not re.search(f"{deprecated}patchesStrategicMerge|patchesJson6902", text)
