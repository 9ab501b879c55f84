"""Make this clone a service of its own: make rename NAME=orders.

Removes what is about hellopod itself, puts a README and a CHANGELOG of a new service in the place
of ours, and changes the name in every tracked file and in every file's name: objects, labels,
image, metrics, alerts. It asks for a clean git tree: `git reset --hard` takes it all back.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

OLD = "hellopod"
# Names of objects have at most 63 characters (RFC 1123), and longer ones are made of this one: a
# pod's by -5d8f7c9b6d-x7k2p, a test cluster's node by -e2e-rest-control-plane.
LONGEST = 40
# A Service's name begins with a letter (RFC 1035), and so does a metric's.
NAME = re.compile("[a-z]([a-z0-9-]*[a-z0-9])?")
LINE = 100  # characters of a line of text
MOST_IN_A_LINE = 4  # times that it has the name
TAKEN = re.compile("default|kube-.*")  # the namespaces of Kubernetes itself

# What measures hellopod and compares it, what it promises, what tests these, and this repository's
# own CI (.ci). Nothing else imports from there: banned-api in pyproject.toml.
LEAVES = (
    "benchmarks",
    "requirements-bench.txt",
    "tests/repository",
    "tests/e2e/postgres",
    "tests/e2e/test_database.py",
    "docs/admission.md",
    "docs/admission.png",
    "docs/benchmarks.md",
    "docs/beside-stock.png",
    "docs/e2e-full.txt",
    "docs/promises.md",
    "docs/rollout-after.png",
    "docs/rollout-before.png",
    "docs/rollout-during.png",
    ".ci",
    "rename.py",
)
PINS = ("simpy",)  # of requirements-dev.txt; nothing but the benchmarks needs them
FORK = Path("fork")  # its files take the places of those in the root
MARK = "leaves with make rename"
MARKED = re.compile(
    rf"^ *(?:#|<!--) begin: {MARK}.*\n(?:.*\n)*? *(?:#|<!--) end: {MARK}.*\n", re.MULTILINE
)


def main(name: str) -> None:
    """Rename everything, or say in one sentence why not and change nothing."""
    if not NAME.fullmatch(name) or len(name) > LONGEST or TAKEN.fullmatch(name):
        sys.exit(
            f"rename: NAME={name!r} is not allowed: at most {LONGEST} lower-case letters, digits "
            "and hyphens, a letter first, no hyphen last, and no namespace of Kubernetes itself"
        )
    if git("status", "--porcelain"):
        sys.exit("rename: commit or stash your changes first; `git status` lists them")
    leave()
    git("add", "--all")
    files = [Path(file) for file in git("ls-files", "-z").split("\0") if file]
    for file in files:
        rewrite(file, name)
    make_room(Path("pyproject.toml"), name)
    git("add", "--all")
    print(f"{OLD} is {name} now, in {len(files)} files; git diff --cached shows it")


def leave() -> None:
    """Remove what a fork has no use for."""
    for place in map(Path, LEAVES):
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink()
    for file in FORK.iterdir():
        file.replace(file.name)
    FORK.rmdir()
    lock = Path("requirements-dev.txt")
    entries = "|".join(PINS)
    lock.write_text(re.sub(rf"(?m)^(?:{entries})==.*\n(?: +.*\n)+", "", lock.read_text()))


def git(*arguments: str) -> str:
    """Return what git prints, or end with what it complains of."""
    run = subprocess.run(["git", *arguments], capture_output=True, text=True)  # noqa: S603, S607
    if run.returncode:
        sys.exit(f"rename: git {arguments[0]} failed: {run.stderr.strip()}")
    return run.stdout


def rewrite(file: Path, name: str) -> None:
    """Change a file's text and its own name, and remove the lines between marks.

    What is not text, such as an image, stays as it is.
    """
    try:
        text = file.read_text()
    except UnicodeDecodeError:
        pass
    else:
        if (renamed := replaced(MARKED.sub("", text), name)) != text:
            file.write_text(renamed)
    moved = Path(replaced(str(file), name))
    moved.parent.mkdir(parents=True, exist_ok=True)
    file.rename(moved)


def make_room(file: Path, name: str) -> None:
    """Allow longer lines where the name is longer: ruff cannot wrap text."""
    room = LINE + MOST_IN_A_LINE * max(0, len(name) - len(OLD))
    text = file.read_text()
    file.write_text(text.replace(f"max-line-length = {LINE}", f"max-line-length = {room}"))


def replaced(text: str, name: str) -> str:
    """Return the text with the name in the form that each place allows.

    No hyphens beside an underscore, as in names of metrics and variables, and none in CamelCase,
    nor where that stands in lower case, as in the anchor of a heading.
    """

    def form(match: re.Match[str]) -> str:
        found, start, end = match[0], match.start(), match.end()
        after = text[end : end + 1]
        if found.isupper():
            return name.replace("-", "_").upper()
        if "_" in text[start - 1 : start] + after:
            return name.replace("-", "_")
        if found[0].isupper():
            return "".join(part.capitalize() for part in name.split("-"))
        return name.replace("-", "") if after.islower() else name

    return re.sub(OLD, form, text, flags=re.IGNORECASE)


if __name__ == "__main__":
    main(os.environ.get("NAME", ""))
