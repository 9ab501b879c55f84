"""What CI does, as far as it shows without GitHub, and what .ci/run does."""

import re
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
FILES = sorted(REPOSITORY.glob(".github/workflows/*.yml"))
CI = yaml.safe_load((REPOSITORY / ".github/workflows/ci.yml").read_text())["jobs"]
UPDATES = yaml.safe_load((REPOSITORY / ".github/dependabot.yml").read_text())["updates"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_make_targets_exist(file):
    jobs = yaml.safe_load(file.read_text())["jobs"].values()
    scripts = [step["run"] for job in jobs for step in job.get("steps", []) if "run" in step]
    targets = set(re.findall(r"\bmake (?:--silent )?([a-z0-9-]+)", "\n".join(scripts)))
    makefile = (REPOSITORY / "Makefile").read_text()

    assert targets
    assert targets <= set(re.findall("^([a-z0-9-]+):", makefile, re.MULTILINE))


def test_public_runner_sees_all_of_e2e():
    """It lacks nothing on purpose, so whatever is not there fails (tests/e2e/absence.py)."""
    *_, install, e2e = CI["e2e"]["steps"]

    assert e2e["run"] == "make e2e"
    assert install.keys() == {"name", "working-directory", "env", "run"}  # no `if`
    assert "skaffold/releases" in install["env"]["SKAFFOLD"]
    assert "sudo install kind skaffold /usr/local/bin\n" in install["run"]
    others = {name: job for name, job in CI.items() if name != "test"}
    others |= {file.name: read(file) for file in FILES if file.name != "ci.yml"}
    assert "HELLOPOD_ABSENT" not in str(others) + read(REPOSITORY / ".ci/run")


def test_checkov_is_absent_where_nothing_installs_it():
    job = CI["test"]
    [only] = [step["if"] for step in job["steps"] if step.get("run") == "make check"]

    expected = "${{ " + only.replace("==", "!=") + " && 'checkov' || '' }}"
    assert job["env"] == {"HELLOPOD_ABSENT": expected}


def test_python_is_that_of_the_image():
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    [version] = re.findall(r"^FROM python:([\d.]+)-slim AS python$", dockerfile, re.MULTILINE)
    named = re.findall('python-version: "(.*)" # as in the image', "".join(map(read, FILES)))

    assert set(named) == {version}


def read(file):
    return file.read_text()


def test_dependabot_renews_everything_after_a_cooldown():
    places = {
        (update["package-ecosystem"], place)
        for update in UPDATES
        for place in update.get("directories") or [update["directory"]]
    }
    references = {
        f"/{lock.parent.relative_to(REPOSITORY)}"
        for lock in REPOSITORY.glob("benchmarks/references/*/requirements.txt")
    } | {"/tests/process/foreign"}

    database = "/tests/e2e/postgres"
    images = {("docker", "/"), ("docker", database)}
    assert places == images | {("pip", "/"), ("github-actions", "/")} | {
        ("pip", place) for place in references - {"/benchmarks/references/tutorial"}
    }
    assert all(update["cooldown"]["default-days"] >= 7 for update in UPDATES)
    excluded = [path for update in UPDATES for path in update.get("exclude-paths", [])]
    assert excluded == ["requirements-scan.txt"]
    # There is none but in the root, the references, and what the runtime is tried with.
    for name in ("Dockerfile*", "requirements*.txt"):
        assert list(REPOSITORY.glob(name))
        elsewhere = {
            f"/{file.parent.relative_to(REPOSITORY)}"
            for file in REPOSITORY.glob(f"[!.]*/**/{name}")
        }
        assert elsewhere <= references | {database}


def test_ci_runs_what_the_makefile_limits():
    """With CI=true `make test` has three minutes, and what is missing fails; GitHub sets it."""
    for file in (".ci/run", ".github/workflows/ci.yml"):
        assert re.search(r"\bmake test-all\n", read(REPOSITORY / file))
    assert "export CI=true" in read(REPOSITORY / ".ci/run")
