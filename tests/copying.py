"""Copies of the repository, for tests that change it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
# Without what `make test` hands down: that makes another make talkative.
ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}


def run(directory, *command, **environ):
    return subprocess.run(
        command, cwd=directory, env=ENVIRON | environ, capture_output=True, text=True, timeout=600
    )


def git(directory, *arguments):
    author = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    result = run(directory, "git", *author, *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


def copy(directory):
    """Copy what git would commit, into a repository of its own."""
    if not shutil.which("git") or not (REPOSITORY / ".git").exists():
        pytest.skip("needs a git clone")
    files = git(REPOSITORY, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for file in filter(None, files.split("\0")):
        if (REPOSITORY / file).is_file():
            (directory / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / file, directory / file)
    git(directory, "init", "--quiet")
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--message=Start")
    return directory
