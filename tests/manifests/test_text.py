"""How the files are written: what a rendering no longer shows."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = ("kustomization.yaml", "k8s/**/*.yaml", "tests/e2e/**/*.yaml")
FILES = [file for place in PLACES for file in sorted(ROOT.glob(place))]

every_file = pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))


@every_file
def test_numbers_have_a_reason(file):
    # A number, quantity or percentage with no comment behind it; newTag is only a name, and the
    # group has the number of the user above it.
    named = r"(- )?(?!newTag|runAsGroup)([\w./-]+: )?"
    bare = re.compile(rf'\s*{named}"?[0-9][0-9.]*[A-Za-z%]{{0,2}}"?\s*')
    lines = ["", *file.read_text().splitlines()]

    for before, line in zip(lines, lines[1:], strict=False):
        assert not bare.fullmatch(line) or before.strip().startswith("#"), line


@every_file
def test_nothing_is_commented_out(file):
    assert not re.search(r"^\s*#\s*(- )?[a-z][\w./-]*:(\s|$)", file.read_text(), re.MULTILINE)


@every_file
def test_nothing_is_deprecated(file):
    text = file.read_text()
    # There is no other name for it where kustomize is told of selectors.
    deprecated = "" if file.name == "kustomizeconfig.yaml" else "commonLabels|"
    assert not re.search(f"{deprecated}patchesStrategicMerge|patchesJson6902", text)
