"""`make check` finds nothing here. It finds what is weak, and no exception is without need."""

import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from local import scan
from local.steps import Failure
from tests.copying import REPOSITORY, copy, run
from tests.e2e.absence import missing, need

CHECKOV = REPOSITORY / ".venv-scan/bin/checkov"
EXCEPTION = re.compile(r"checkov[.:](?:io/)?skip[\w-]*[:=] ?(CKV\w+)(?:[:=] *(.*))?")
FOUND = re.compile("^Check: (CKV[A-Z0-9_]+)", re.MULTILINE)

PRIVILEGED = {"CKV_K8S_16", "CKV_K8S_22"}
# One in each kind of place: a file, what to replace there, and what is to be found.
ESCALATION = "allowPrivilegeEscalation: "
POD = "      containers:\n"
ACCOUNT = "kind: ServiceAccount\n    name: "
WEAK_SPOTS = [
    ("k8s/base/deployment.yaml", ESCALATION + "false", ESCALATION + "true", {"CKV_K8S_20"}),
    ("k8s/overlays/production/resources.yaml", POD, "      hostPID: true\n" + POD, {"CKV_K8S_17"}),
    ("k8s/components/chaos/token.yaml", POD, "      hostIPC: true\n" + POD, {"CKV_K8S_18"}),
    ("k8s/smoke/rolebinding.yaml", ACCOUNT + "hellopod-smoke", ACCOUNT + "default", {"CKV_K8S_42"}),
    ("k8s/smoke/job.yaml", "readOnlyRootFilesystem: true", "privileged: true", PRIVILEGED),
    ("Dockerfile", "USER 10001:10001\n", "", {"CKV_DOCKER_3"}),
]

scanned = pytest.mark.usefixtures("checkov")


@pytest.fixture
def checkov():
    """The program, unless this machine lacks it."""
    need("checkov")
    if not CHECKOV.exists():
        missing("checkov", "make check installs it")


@pytest.fixture
def clone(tmp_path):
    """A copy in which a test plants what is to be found."""
    return copy(tmp_path)


def findings(clone):
    result = run(clone, sys.executable, "-m", "local.scan", CHECKOV)
    found = set(FOUND.findall(result.stdout))
    assert (result.returncode, result.stderr) == (1, "")
    return found


def general_exceptions():
    """The ids in .checkov.yaml, each with the line above it."""
    lines = (REPOSITORY / ".checkov.yaml").read_text().splitlines()
    above = {line.strip(" -"): before for before, line in zip(lines, lines[1:], strict=False)}
    configured = yaml.safe_load("\n".join(lines))["skip-check"]
    return {check: above[check] for check in configured}


def exceptions():
    """The ids beside what they are about: annotations, and comments in the Dockerfile."""
    files = [REPOSITORY / "Dockerfile", *REPOSITORY.glob("k8s/**/*.yaml")]
    return dict(sum((EXCEPTION.findall(file.read_text()) for file in files), []))


def replace(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_every_exception_has_a_reason():
    assert all(len(reason.split()) >= 4 for reason in exceptions().values())
    assert all(re.match(" *# ", line) for line in general_exceptions().values())


def test_every_kustomization_is_scanned(tmp_path):
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not on PATH")
    scan.gather(tmp_path)
    rendered = {file.name: list(yaml.safe_load_all(file.read_text())) for file in scans(tmp_path)}
    places = {
        file.parent.relative_to(REPOSITORY)
        for file in REPOSITORY.glob("**/kustomization.yaml")
        if yaml.safe_load(file.read_text())["kind"] == "Kustomization"
    }

    # These two are in all others, and complete in the root; what is below an overlay is in that.
    parts = {Path("k8s/base"), Path("k8s/namespace")}
    parts |= {place for place in places if {*place.parents} & (places - {Path()})}
    names = {str(place).replace("/", "-") for place in places - parts if "tests" not in place.parts}
    assert rendered.keys() == {
        *(f"{'root' if name == '.' else name}.yaml" for name in names),
        "all-components.yaml",
        "job.yaml",
    }
    assert {item["kind"] for item in rendered["all-components.yaml"]} > {"Deployment", "ConfigMap"}
    assert (tmp_path / "Dockerfile").read_text() == (REPOSITORY / "Dockerfile").read_text()


def scans(folder):
    return folder.glob("*.yaml")


def test_without_kubectl(tmp_path, monkeypatch, capsys):
    """A new machine checks what it can, and says what it cannot; CI has to have it."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CI", raising=False)
    scan.gather(tmp_path)

    said = capsys.readouterr().out
    assert re.fullmatch("The manifests were not scanned: kubectl is not on PATH; .*\n", said)
    assert {file.name for file in tmp_path.iterdir()} == {"Dockerfile", "job.yaml"}
    monkeypatch.setenv("CI", "true")
    with pytest.raises(Failure, match="kubectl is not on PATH"):
        scan.gather(tmp_path)


@pytest.mark.parametrize(
    ("absent", "outcome"), [("", pytest.fail.Exception), ("checkov", pytest.skip.Exception)]
)
def test_without_checkov_ci_fails_unless_it_says_so(request, monkeypatch, absent, outcome):
    monkeypatch.setattr(sys.modules[__name__], "CHECKOV", Path("nowhere"))
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("HELLOPOD_ABSENT", absent)

    with pytest.raises((pytest.fail.Exception, pytest.skip.Exception)) as raised:
        request.getfixturevalue("checkov")
    assert raised.type is outcome


@scanned
def test_weak_spots_are_found(clone):
    for file, old, new, _ in WEAK_SPOTS:
        replace(clone / file, old, new)

    assert findings(clone) == set().union(*(found for *_, found in WEAK_SPOTS))


@scanned
def test_every_exception_is_needed(clone):
    """Without them, the scan finds just what they name."""
    for file in [clone / "Dockerfile", *clone.glob("k8s/**/*.yaml")]:
        file.write_text(EXCEPTION.sub("unused: unused", file.read_text()))
    config = clone / ".checkov.yaml"
    config.write_text(config.read_text().partition("skip-check:")[0])

    assert findings(clone) == general_exceptions().keys() | exceptions().keys()


# In docs/configuration.md: a kustomization, a Secret as a file, and one as a variable.
OVERLAY, MOUNTED, VARIABLE = re.findall(
    r"```yaml\n# k8s/overlays/mine/(?:kustomization|secret)\.yaml\n(.*?)```",
    (REPOSITORY / "docs/configuration.md").read_text(),
    re.DOTALL,
)


@scanned
@pytest.mark.parametrize("secret", [MOUNTED, VARIABLE], ids=["mounted", "variable"])
def test_a_secret_of_the_guide_passes(clone, secret):
    plant(clone, secret)

    result = run(clone, sys.executable, "-m", "local.scan", CHECKOV)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@scanned
def test_a_secret_without_its_reason_is_found(clone):
    plant(clone, EXCEPTION.sub("unused: unused", VARIABLE))

    assert findings(clone) == {"CKV_K8S_35"}


def plant(clone, secret):
    """Make an overlay. Only its place makes it known to the scan."""
    overlay = clone / "k8s/overlays/mine"
    overlay.mkdir()
    (overlay / "kustomization.yaml").write_text(OVERLAY)
    (overlay / "secret.yaml").write_text(secret)


@scanned
def test_an_unrendered_kustomization_is_said(clone):
    replace(clone / "kustomization.yaml", "k8s/base", "k8s/nowhere")
    result = run(clone, sys.executable, "-m", "local.scan", CHECKOV)

    assert result.returncode == 1
    assert re.match("scan: kubectl kustomize .* failed: .*nowhere", result.stderr)
