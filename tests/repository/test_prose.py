"""How hellopod's own documents and comments are written; a fork may write as it likes."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
DOCUMENTS = [*sorted(REPOSITORY.glob("*.md")), *sorted(REPOSITORY.glob("docs/*.md"))]
DOCUMENTS = [file for file in DOCUMENTS if file.name != "CHANGELOG.md"]  # that is history
NO_PROSE = re.compile(r"^```[\s\S]*?^```|^ *\|.*$|^#.*$|<!--.*?-->", re.MULTILINE)
# A list and a paragraph end a sentence too; so does a line, as most lines begin one.
PART = re.compile(r"\n|(?<=[.?!])[*)]{0,3} ")
MOST_WORDS = 32
HISTORY = re.compile(
    r"(?:earlier|previous|older|newer) (?:version|limiter|row|run)|new (?:limiter|row)"
    r"|tried and dropped",
    re.IGNORECASE,
)

every_document = pytest.mark.parametrize(
    "file", DOCUMENTS, ids=lambda file: str(file.relative_to(REPOSITORY))
)


@every_document
def test_no_sentence_is_long(file):
    sentences = PART.split(NO_PROSE.sub("", file.read_text()))

    assert [each for each in sentences if len(each.split()) > MOST_WORDS] == []


@every_document
def test_no_history_of_attempts(file):
    """Say what is so, and why. What was tried before is in the commits."""
    assert HISTORY.findall(file.read_text()) == []


CODE = [
    file
    for folder in ("service", "benchmarks", "local", "tests/e2e")
    for file in sorted((REPOSITORY / folder).glob("**/*.py"))
]
# At the beginning of a comment, a docstring or a part of a sentence. `Ask who answers` is fine.
RIDDLE = re.compile(r"(?:# |\"\"\"|[.:;,] |[.:;,]\n *(?:# )?)[Ww]ho\b.*")


@pytest.mark.parametrize("file", CODE, ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_nothing_is_a_riddle(file):
    """Say `A request that waits`, not `Who waits`."""
    assert RIDDLE.findall(file.read_text()) == []
