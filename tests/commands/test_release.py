"""What a release does, as far as it shows without GitHub."""

import subprocess
from pathlib import Path

import pytest
import yaml

from service.version import __version__

REPOSITORY = Path(__file__).parents[2]
RELEASE = yaml.safe_load((REPOSITORY / ".github/workflows/release.yml").read_text())["jobs"]


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
