"""How the documents are written: what one stumbles over while one reads."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
DOCUMENTS = [*sorted(REPOSITORY.glob("*.md")), *sorted(REPOSITORY.glob("docs/*.md"))]
# Code and settings are as precise as they have to be, and so are tables. A version has no unit.
NO_PROSE = re.compile(r"^```[\s\S]*?^```|`[^`\n]*`|^ *\|.*$|\]\([^)]*\)", re.MULTILINE)
UNIT = r"(?:%|(?:s|ms|seconds?|minutes?|times|cores?|requests?|instructions|[kKMG]i?B)\b)"
PRECISE = re.compile(rf"\d+\.\d{{2,}}(?:(?:,| to| and| or) [\d.]+)* {UNIT}")


def too_precise(text):
    return PRECISE.findall(NO_PROSE.sub("", text))


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_figures_have_one_decimal_at_most(file):
    """Write 250 ms, or round: what was measured is not known more exactly."""
    assert too_precise(file.read_text()) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("it took 0.25 s", 1),
        ("1.02 to 1.14 s", 1),
        ("0.75, 0.8 and 1 s, then 0.125 %", 2),
        ("it took 250 ms, or 1.5 s", 0),
        ("Python 3.11 to 3.14, Kubernetes 1.33 and 1.36", 0),
        ("from 10.244.0.15", 0),
        ("set `BACKOFF=0.25 s`", 0),
        ("| 0.25 s | 1.62 times |\n\n0.25 s", 1),
        ("```text\n0.25 s\n```\n", 0),
    ],
)
def test_what_is_too_precise(text, found):
    assert len(too_precise(text)) == found
