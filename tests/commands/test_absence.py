"""What tests/e2e does without a program or an image, on purpose or not; needs no cluster."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.absence import need

REPOSITORY = Path(__file__).parents[2]
NOWHERE = "no-such-directory"
FAKES = ("docker", "kind", "kubectl")  # what the suite insists on; no test below gets to use them
NEEDY = (
    *("tests/e2e/test_skaffold.py", "tests/e2e/test_dev.py", "-k", "not tar"),
    "tests/e2e/test_alerts.py::test_expressions_of_kube_state_metrics_have_data",
)
BY_NAME = "HELLOPOD_ABSENT names it"


@pytest.fixture
def machine(monkeypatch):
    """Give a way to have a machine without programs, and with these variables alone."""

    def have(**environ):
        for name in ("CI", "HELLOPOD_ABSENT"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {"PATH": NOWHERE, **environ}.items():
            monkeypatch.setenv(name, value)

    return have


@pytest.mark.parametrize(
    ("names", "absent", "skipped"),
    [
        (["skaffold"], "skaffold", f"skaffold ({BY_NAME})"),
        (["kube-state-metrics"], " a  kube-state-metrics ", f"kube-state-metrics ({BY_NAME})"),
        (["curl", "skaffold"], "skaffold", f"skaffold ({BY_NAME})"),  # though curl is missing
        (["keda"], "skaffold keda", f"keda ({BY_NAME})"),
    ],
)
def test_absent_on_purpose_is_skipped(machine, names, absent, skipped):
    machine(CI="true", HELLOPOD_ABSENT=absent)

    with pytest.raises(pytest.skip.Exception, match=f"^not seen here: {re.escape(skipped)}$"):
        need(*names)


@pytest.mark.parametrize("absent", ["", "kube-state-metrics skaffolding"])
@pytest.mark.parametrize("name", ["chromium", "curl", "skaffold"])
def test_missing_by_mistake_fails_in_ci(machine, absent, name):
    machine(CI="true", HELLOPOD_ABSENT=absent)

    expected = f"^{name} is missing, and HELLOPOD_ABSENT does not name it: not on PATH: "
    with pytest.raises(pytest.fail.Exception, match=expected):
        need(name)


def test_missing_by_mistake_is_skipped_elsewhere(machine):
    machine()

    with pytest.raises(pytest.skip.Exception, match="^not seen here: skaffold .not on PATH: http"):
        need("skaffold")


@pytest.mark.parametrize(
    ("name", "environ"),
    [
        # Images: the nodes pull these.
        ("kube-state-metrics", {}),
        ("kube-state-metrics", {"HELLOPOD_ABSENT": "skaffold"}),
        ("keda", {"HELLOPOD_ABSENT": "kedalike"}),
    ],
)
def test_nothing_is_skipped_without_a_reason(machine, name, environ):
    machine(CI="true", **environ)

    need(name)


def test_program_on_path_is_there(machine, tmp_path):
    put(tmp_path, "skaffold")
    machine(CI="true", PATH=str(tmp_path))

    need("skaffold")


def test_end_of_the_run_lists_what_was_not_seen(tmp_path):
    ran = suite(tmp_path, HELLOPOD_ABSENT="skaffold kube-state-metrics")

    assert ran.returncode == 0, ran.stdout
    section = ran.stdout.split("= not seen here =")[1]
    listed = dict(re.findall(r"^ *\d+ tests? +(\S+) \((.*)\)$", section, re.MULTILINE))
    assert listed == {"kube-state-metrics": BY_NAME, "skaffold": BY_NAME}
    counts = re.findall(r"^ *(\d+) tests? +", section, re.MULTILINE)
    assert re.search(rf"= {sum(map(int, counts))} skipped, \d+ deselected in ", section)


def test_run_in_ci_fails_without_skaffold(tmp_path):
    ran = suite(tmp_path, HELLOPOD_ABSENT="kube-state-metrics")

    assert ran.returncode == 1
    assert re.search(r"= 1 skipped, \d+ deselected, \d+ errors in ", ran.stdout)


def suite(directory, **environ):
    """Run what needs something where there is no program but fakes, and no kubeconfig."""
    put(directory, *FAKES)
    return subprocess.run(
        [sys.executable, "-m", "pytest", *NEEDY],
        cwd=REPOSITORY,
        env={"PATH": str(directory), "HOME": str(directory), "CI": "true", **environ},
        capture_output=True,
        text=True,
        timeout=120,
    )


def put(directory, *programs):
    for name in programs:
        (directory / name).write_text("#!/bin/sh\n")
        (directory / name).chmod(0o755)
