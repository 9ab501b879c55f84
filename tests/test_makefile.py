import re
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


def test_help_lists_every_target():
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()
    shown = subprocess.run(["make", "help"], cwd=REPOSITORY, capture_output=True, text=True)

    assert {line.split()[0] for line in shown.stdout.splitlines()} == set(targets)


def test_second_run_installs_nothing():
    """The environment this test runs in is complete, so make has nothing to do for it."""
    command = ["make", "--question", ".venv/dev", ".venv/runtime"]

    assert subprocess.run(command, cwd=REPOSITORY).returncode == 0


def test_old_python_is_told_so(tmp_path):
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\nexec python3 -c 'import sys; sys.version_info = (3, 10); '\"$2\"\n")
    old.chmod(0o755)
    command = ["make", f"PYTHON={old}", f"VENV={tmp_path}/venv", "run"]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)

    assert run.returncode != 0
    assert "hellopod needs Python 3.11 or newer" in run.stderr
    assert not (tmp_path / "venv").exists()
