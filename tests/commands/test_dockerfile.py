"""What of the Dockerfile shows only in its text."""

import json
import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_commands_are_lists():
    """A shell as PID 1 would keep SIGTERM from gunicorn."""
    commands = re.findall(
        "^(?:CMD|ENTRYPOINT) (.*)$", (REPOSITORY / "Dockerfile").read_text(), re.M
    )

    assert len(commands) == 3
    assert all(isinstance(json.loads(command), list) for command in commands)


def test_every_lock_is_in_the_build_context():
    """An image with OpenTelemetry is made by naming another lock."""
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    ignore = (REPOSITORY / ".dockerignore").read_text().splitlines()
    locks = set(re.findall(r"requirements[\w-]*\.txt", dockerfile))

    assert "requirements-otel.txt" in locks
    assert "ARG REQUIREMENTS=requirements.txt\n" in dockerfile
    assert {f"!{lock}" for lock in locks} <= set(ignore)


def test_dockerignore_is_an_allow_list():
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if not line.startswith("#")]

    assert rules[0] == "*"
    assert all(rule.startswith("!") for rule in rules[1:-1])
