"""The guides, followed to the letter: each block of code goes where its first line says."""

import re
import shutil
import sys
from pathlib import Path

from tests.copying import copy

GUIDE = Path("docs/your-own-service.md")
DATABASE = Path("docs/database.md")  # carries on from there
FIRST_LINE = r'# ([\w/.-]+)(?:, (at the end|before|instead of))?(?: "([^\n]*)")?'
GONE = (
    "service/page.py",
    "tests/service/test_page.py",
    "tests/e2e/test_page.py",
    "tests/process/test_echo.py",
)
BLOCK = re.compile(rf"```(?:python|yaml|toml)\n{FIRST_LINE}\n(.*?)```", re.DOTALL)


def follow(directory):
    """Do in a copy what its guide says."""
    for path in GONE:
        (directory / path).unlink()
    for path in ("service/templates", "tests/browser"):
        shutil.rmtree(directory / path)
    contract = directory / "service/openapi.yaml"
    text, deleted = re.subn(r"(?m)^  /(?:api/echo)?:\n(?:   .*\n)+", "", contract.read_text())
    assert deleted == 2
    contract.write_text(text)
    put_blocks(directory, GUIDE)


def follow_with_database(directory):
    """Do in a copy what its guide says, and then what the one of the database does."""
    follow(directory)
    put_blocks(directory, DATABASE)


def put_blocks(directory, page):
    for block in BLOCK.findall((directory / page).read_text()):
        put(directory, *block)


def put(directory, path, how, anchor, code):
    """Write a file, or add to it, as the first line of a block says."""
    file = directory / path
    if not how:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code)
        return
    text = file.read_text()
    if how == "at the end":
        file.write_text(f"{text}\n\n{code}")
        return
    assert text.count(anchor) == 1, f"{anchor!r} in {path}"
    file.write_text(
        text.replace(anchor, code.rstrip("\n") if how == "instead of" else code + anchor)
    )


if __name__ == "__main__":  # for tests/e2e: that imports nothing from here
    follow_with_database(copy(Path(sys.argv[1])))
