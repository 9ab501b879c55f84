import os
import re
import subprocess
from copy import deepcopy
from pathlib import Path

import yaml

from tests.manifests.conftest import render

REPOSITORY = Path(__file__).parents[1]
# Without what `make test` hands down, which makes another make talkative.
ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}


def make(*arguments):
    command = ["make", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, env=ENVIRON, capture_output=True, text=True)


def test_help_lists_every_target():
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()
    shown = make("help").stdout.splitlines()

    assert {line.split()[0] for line in shown} == set(targets)


def test_second_run_installs_nothing():
    """The environment this test runs in is complete, so make has nothing to do for it."""
    assert make("--question", ".venv/dev", ".venv/runtime").returncode == 0


def test_old_python_is_told_so(tmp_path):
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\nexec python3 -c 'import sys; sys.version_info = (3, 10); '\"$2\"\n")
    old.chmod(0o755)
    run = make(f"PYTHON={old}", f"VENV={tmp_path}/venv", "run")

    assert run.returncode != 0
    assert "hellopod needs Python 3.11 or newer" in run.stderr
    assert not (tmp_path / "venv").exists()


def test_manifests_of_a_release_name_its_image():
    image = "registry.example.com/somebody/hellopod@sha256:" + 64 * "a"
    printed = make("--silent", "manifests", f"IMAGE={image}")
    expected = deepcopy(render(".").objects)
    [deployment] = [item for item in expected if item["kind"] == "Deployment"]
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = image

    assert (printed.returncode, printed.stderr) == (0, "")
    assert list(yaml.safe_load_all(printed.stdout)) == expected
