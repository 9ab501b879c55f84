"""The guides, followed to the letter: each block of code goes where its first line says."""

import re
import sys
from pathlib import Path

from tests.copying import REPOSITORY, copy, run

GUIDE = Path("docs/your-own-service.md")
BARE = Path("docs/without-a-database.md")  # takes the place of most of it
DATABASE = Path("docs/database.md")  # carries on from there
FIRST_LINE = r'# ([\w/.-]+)(?:, (at the end|before|instead of))?(?: "([^\n]*)")?'
[COMMAND] = re.findall(r"```sh\n(git rm .*?)```", (REPOSITORY / GUIDE).read_text(), re.DOTALL)
GONE = tuple(re.findall(r"[\w/.]+/[\w.]+", COMMAND))
# What the guide tells to delete in files, and how often it is there.
DELETED = (
    ("service/openapi.yaml", r"  /(?:api/echo)?:\n(?:   .*\n)+", 2),
    ("service/openapi.yaml", r"    Echo:\n(?:     .*\n)+", 1),
    ("service/openapi.yaml", r"    Says which pod answered, .*\n", 1),
    ("README.md", r"\| `/(?:api/echo)?` \|.*\n", 2),
    ("SECURITY.md", r"\|.*(?:the page|`/api/echo`).*\n", 2),
    ("CONTRIBUTING.md", r"\| `tests/browser/` \|.*\n", 1),
    ("pyproject.toml", r" *\"selenium.*\n", 2),
)
# What a guide leaves to its reader: a row for each setting, metric and endpoint.
ROWS = {
    "docs/configuration.md": (
        "| `POD_NAME`",
        """\
| `DATABASE` | orders.db | file of the database |
| `LARGEST_ORDER` | 100 | most pieces in one order |
| `CURRENCY` | EUR | currency of all prices |
| `PRICES` | http://prices | base URL of the service of prices |
""",
    ),
    "docs/observability.md": (
        "| `hellopod_dependency_up`",
        "| `hellopod_pieces_ordered_total` | counter | | pieces | pieces ordered | |\n",
    ),
    "README.md": (
        "| `/version`",
        """\
| `/api/orders` | the order that it made | shops |
| `/api/orders/<int(max=2147483647):number>` | an order | shops |
| `/api/orders/<int(max=2147483647):number>/price` | its price | shops |
""",
    ),
}
BARE_ROWS = {
    "docs/configuration.md": (
        "| `POD_NAME`",
        "| `LONGEST_TEXT` | 1000 | most characters of a text |\n",
    ),
    "docs/observability.md": (
        "| `hellopod_dependency_up`",
        "| `hellopod_words_counted_total` | counter | | words | words counted | |\n",
    ),
    "README.md": ("| `/version`", "| `/api/words` | how many words a text has | writers |\n"),
}
BLOCK = re.compile(rf"```(?:python|yaml|toml)\n{FIRST_LINE}\n(.*?)```", re.DOTALL)


def follow(directory, leaving=()):
    """Do in a copy what its guide says, but for the blocks of some files."""
    delete(directory)
    put_blocks(directory, GUIDE, leaving)


def follow_without_database(directory):
    """Do in a copy what the page for a service without a database says."""
    delete(directory)
    put_blocks(directory, BARE)


def delete(directory):
    """Delete the page, the echo and what names them."""
    result = run(directory, "sh", "-ec", COMMAND)
    assert result.returncode == 0, result.stderr
    for path, lines, times in DELETED:
        file = directory / path
        text, deleted = re.subn(f"(?m)^{lines}", "", file.read_text())
        assert (path, deleted) == (path, times)
        file.write_text(text)


def follow_with_database(directory):
    """Do in a copy what its guide says without its own database, and then what DATABASE does."""
    follow(directory, leaving=("service/orders.py", "tests/service/test_api.py"))
    (directory / "k8s/overlays/local/orders-file.yaml").unlink()
    overlay = directory / "k8s/overlays/local/kustomization.yaml"
    overlay.write_text(overlay.read_text().replace("  - path: orders-file.yaml\n", ""))
    put_blocks(directory, DATABASE)


def put_blocks(directory, page, leaving=()):
    for path, *block in BLOCK.findall((directory / page).read_text()):
        if path not in leaving:
            put(directory, path, *block)


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


def put_rows(directory, rows, name="hellopod"):
    """Add to tables of the documents what the service brings; metrics begin with its name."""
    for path, row in rows.items():
        put(directory, path, "before", *(text.replace("hellopod", name) for text in row))


if __name__ == "__main__":  # for tests/e2e: that imports nothing from here
    follow_with_database(copy(Path(sys.argv[1])))
