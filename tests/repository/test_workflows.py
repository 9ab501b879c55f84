"""What CI and a release do, as far as it shows without GitHub."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from service.version import __version__

REPOSITORY = Path(__file__).parents[2]
FILES = sorted(REPOSITORY.glob(".github/workflows/*.yml"))
CI = yaml.safe_load((REPOSITORY / ".github/workflows/ci.yml").read_text())["jobs"]
RELEASE = yaml.safe_load((REPOSITORY / ".github/workflows/release.yml").read_text())["jobs"]
UPDATES = yaml.safe_load((REPOSITORY / ".github/dependabot.yml").read_text())["updates"]


def steps(job):
    return RELEASE[job].get("steps", [])


def permitted(permission):
    """The jobs of a release that may write there."""
    return {name for name, job in RELEASE.items() if job["permissions"].get(permission) == "write"}


def check_tag(tag, tmp_path):
    """Run the step that compares a tag with the version; return what ran and its outputs."""
    [script] = [step["run"] for step in steps("version") if "run" in step]
    outputs = tmp_path / "outputs"
    outputs.touch()
    environ = {
        "PATH": "/usr/bin:/bin",
        "GITHUB_REF_NAME": tag,
        "GITHUB_REPOSITORY": "Some-Body/Pods",
        "GITHUB_OUTPUT": str(outputs),
    }
    # As GitHub runs it: https://docs.github.com/actions/reference/workflow-syntax-for-github-actions
    bash = ("bash", "-e", "-c", script)
    ran = subprocess.run(bash, cwd=REPOSITORY, env=environ, capture_output=True, text=True)
    return ran, outputs.read_text().split()


def test_a_release_has_the_tag_of_its_version(tmp_path):
    ran, outputs = check_tag(f"v{__version__}", tmp_path)

    assert ran.returncode == 0
    assert outputs == [f"version={__version__}", "image=ghcr.io/some-body/pods"]


@pytest.mark.parametrize("tag", [__version__, f"v{__version__}.1", "v", "vNext"])
def test_another_tag_is_refused(tag, tmp_path):
    ran, outputs = check_tag(tag, tmp_path)

    assert (ran.returncode, outputs) == (1, [])
    expected = f"the tag is {tag}, and service/version.py says {__version__}"
    assert ran.stdout == f"::error::{expected}\n"


def test_nothing_is_published_before_ci_has_passed():
    assert RELEASE["ci"]["needs"] == "version"
    for job in RELEASE.keys() - {"version", "ci"}:
        assert "ci" in needed(job)


def needed(job):
    """The jobs that have to end before this one, and those before them."""
    direct = RELEASE[job].get("needs", [])
    direct = {direct} if isinstance(direct, str) else set(direct)
    return direct.union(*(needed(other) for other in direct))


def test_rights_are_apart():
    """What signs or makes the release runs no code of ours, nor of anything that we install."""
    assert permitted("id-token") == permitted("attestations") == {"sign", "release"}
    assert permitted("packages") == {"image", "sign"}
    assert permitted("contents") == {"release"}
    for job in permitted("id-token"):
        used = " ".join(step.get("uses", "") for step in steps(job))
        assert "actions/checkout" not in used
        assert "actions/setup-python" not in used


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
    for file in (*FILES, REPOSITORY / ".ci/run"):
        assert "HELLOPOD_ABSENT" not in read(file)


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

    assert places == {("pip", "/"), ("docker", "/"), ("github-actions", "/")} | {
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
        assert elsewhere <= references
