"""The dev container has the image's Python, and what `make` needs; it builds nothing of its own."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONTAINER = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())


def test_it_has_the_python_of_the_image():
    base = re.search(r"^FROM python:([0-9.]+)-slim", (ROOT / "Dockerfile").read_text(), re.M)
    # Not slim: git and make are in it.
    assert CONTAINER["image"] == f"python:{base[1]}"


def test_it_makes_the_environment_of_the_tests():
    make, target = CONTAINER["postCreateCommand"].split()
    assert make == "make"
    rule = target.replace(".venv", "$(VENV)", 1)
    assert f"\n{rule}:" in (ROOT / "Makefile").read_text()


def test_it_forwards_the_port_of_the_service():
    assert CONTAINER["forwardPorts"] == [8000]
