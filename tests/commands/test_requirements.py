"""The locks belong to pyproject.toml, to each other, and to nobody's package index."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
GROUPS = PROJECT["dependency-groups"]
LOCKS = {
    "requirements.txt": PROJECT["project"]["dependencies"],
    "requirements-otel.txt": [
        *PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"]["otel"],
    ],
    **{f"requirements-{name}.txt": group for name, group in GROUPS.items() if name != "dev"},
    "requirements-dev.txt": [
        *PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"]["otel"],
        *GROUPS["reload"],
        *GROUPS["smoke"],
        *(entry for entry in GROUPS["dev"] if isinstance(entry, str)),
    ],
}


def read(lock):
    """Return a lock as {name: (version, its whole entry)}; uv puts one entry after the other."""
    text = (REPOSITORY / lock).read_text()
    entries = re.findall(r"^([\w.-]+)==(\S+)((?:.*\n(?= ))*.*\n?)", text, re.MULTILINE)
    return {canonicalize_name(name): (version, rest) for name, version, rest in entries}


def test_every_lock_is_renewed():
    makefile = (REPOSITORY / "Makefile").read_text()

    assert {file.name for file in REPOSITORY.glob("requirements*.txt")} == LOCKS.keys()
    assert set(re.findall(r"--output-file (requirements\S*\.txt)", makefile)) == LOCKS.keys()


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_follows_pyproject(lock):
    """Else: make lock."""
    pins = read(lock)
    wanted = {canonicalize_name(Requirement(r).name): Requirement(r) for r in LOCKS[lock]}

    direct = {name for name, (_, entry) in pins.items() if "pyproject.toml" in entry}
    assert direct == set(wanted)
    for name, requirement in wanted.items():
        assert pins[name][0] in requirement.specifier


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes(lock):
    pins = read(lock)

    assert pins
    assert all("--hash=sha256:" in entry for _, entry in pins.values())


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_names_no_index(lock):
    assert not re.search("index-url|https?://", (REPOSITORY / lock).read_text())


def test_locks_agree():
    everything = read("requirements-dev.txt")
    for lock in (
        "requirements.txt",
        "requirements-otel.txt",
        "requirements-reload.txt",
        "requirements-smoke.txt",
    ):
        for name, (version, _) in read(lock).items():
            assert everything[name][0] == version


def test_opentelemetry_is_optional():
    plain, traced = read("requirements.txt"), read("requirements-otel.txt")

    assert plain.keys() < traced.keys()
    assert not [name for name in plain if name.startswith("opentelemetry")]
