"""A copy of the repository under another name works as this one does."""

import re
import sys

import pytest

from rename import LONGEST
from tests.repository.copying import copy, git, run

NAME = "order-desk"  # a hyphen is legal in the name of an object, and not in that of a metric
# What takes real time: load, drains, browsers. What knows no name, as HTTP and the models.
# And what would rename again.
LEFT_OUT = (
    "--ignore=tests/e2e",
    "--ignore=tests/browser",
    "--ignore=tests/fuzz",
    "--ignore=tests/http1",
    "--ignore=tests/process",
    "--ignore=tests/repository/test_foreign_suites.py",
    "--ignore=tests/repository/test_fork.py",
    "--ignore=tests/runtime",
    "--ignore=tests/timing",
    "--ignore=tests/repository/test_absence.py",
    "--ignore=tests/service/test_access.py",
    "--ignore=benchmarks/tests/test_admission_model.py",
    "--ignore=tests/service/test_application.py",
    "--ignore=benchmarks/tests/test_autoscaling_model.py",
    "--ignore=tests/service/test_exporter.py",
    "--ignore=tests/service/test_pod_faults.py",
    "--ignore=tests/service/test_request_faults.py",
    "--ignore=tests/service/test_request_headers.py",
    "--ignore=tests/repository/test_scan.py",
    "--ignore=tests/repository/test_smoke.py",
    "--ignore=tests/repository/test_rename.py",
    # Lines have other lengths now: `make fix` is what follows.
    "--deselect=tests/repository/test_guide.py::test_its_code_is_clean",
    # The copy borrows its environment.
    "--ignore=tests/repository/test_sbom.py",
    "--deselect=tests/repository/test_makefile.py::test_second_run_installs_nothing",
)
INCLUDED = (
    "tests/process/test_gunicorn_conf.py",
    "tests/process/test_management.py::test_endpoints",
    "tests/repository/test_smoke.py::test_needs_nothing_but_http",
)


def rename(directory, name):
    return run(directory, "make", f"PYTHON={sys.executable}", "rename", f"NAME={name}")


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return copy(tmp_path_factory.mktemp("original"))


@pytest.fixture(scope="module")
def renamed(tmp_path_factory):
    directory = copy(tmp_path_factory.mktemp("renamed"))
    result = rename(directory, NAME)
    assert result.returncode == 0, result.stderr
    (directory / ".venv").symlink_to(sys.prefix)
    return directory


def files_of(directory):
    return [
        file
        for file in directory.rglob("*")
        if file.is_file() and not {".git", ".venv"} & set(file.relative_to(directory).parts)
    ]


def test_nothing_has_the_old_name(renamed):
    old = rb"hello" + rb"pod"  # in two, or the test of a renamed copy would look for the new name
    named = [
        str(file.relative_to(renamed))
        for file in files_of(renamed)
        if re.search(old, bytes(file.relative_to(renamed)) + b"\n" + file.read_bytes(), re.I)
    ]

    assert named == []


def test_no_identifier_has_a_hyphen(renamed):
    """In Python, metrics, rules, dashboards and environment variables it is an underscore."""
    mixed = re.compile(rf"\w*(?:_{NAME}|{NAME}_)\w*", re.IGNORECASE)
    found = [mixed.findall(file.read_text(errors="replace")) for file in files_of(renamed)]

    assert sum(found, []) == []


def test_its_own_tests_pass(renamed):
    pytest_ = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    for selection in (LEFT_OUT, INCLUDED):
        result = run(renamed, *pytest_, *selection)
        assert result.returncode == 0, result.stdout[-3000:]


def test_renders_under_the_new_name(renamed):
    rendered = run(renamed, "kubectl", "kustomize", ".").stdout

    assert set(re.findall("^  name: (.*)$", rendered, re.M)) == {NAME}
    assert set(re.findall("^  namespace: (.*)$", rendered, re.M)) == {NAME}
    assert re.search(rf"image: {NAME}:\d", rendered)


def test_metrics_have_the_new_prefix(renamed):
    code = "import service; print(service.create_app().test_client().get('/metrics').text)"
    metrics = run(renamed, sys.executable, "-c", code).stdout

    assert "\norder_desk_build_info{" in metrics


def test_a_commit_loses_nothing(tmp_path):
    """`git commit -a` passes over files that git does not know, as renamed ones would be."""
    (tmp_path / "kept").mkdir()
    kept = copy(tmp_path / "kept")
    assert rename(kept, NAME).returncode == 0
    renamed = git(kept, "ls-files")
    git(kept, "commit", "--quiet", "--all", "--message=Rename")
    git(tmp_path, "clone", "--quiet", "kept", "clone")

    assert git(kept, "status", "--porcelain") == ""
    assert git(tmp_path / "clone", "ls-files") == renamed
    pytest_ = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    result = run(tmp_path / "clone", *pytest_, "tests/manifests/test_dashboard.py")
    assert result.returncode == 0, result.stdout[-3000:]


@pytest.mark.parametrize(
    "name",
    ["", "Orders", "a_b", "-a", "a-", "1a", "a.b", "a b", "a'b", "$(HOME)", "x" * 41, "ä", "a\n"]
    + ["default", "kube-system"],
)
def test_a_bad_name_is_one_sentence_and_changes_nothing(original, name):
    result = run(original, sys.executable, "rename.py", NAME=name)

    assert result.returncode == 1
    assert re.fullmatch(r"rename: NAME=.* is not allowed: .*\n", result.stderr)
    assert git(original, "status", "--porcelain") == ""


def test_make_passes_the_name_on_as_it_is(original):
    result = rename(original, "a'b; touch x")

    assert 'NAME="a\'b; touch x" is not allowed' in result.stderr
    assert git(original, "status", "--porcelain") == ""


def test_uncommitted_changes_are_left_alone(original):
    (original / "note").write_text("mine")
    try:
        result = rename(original, NAME)
        assert result.returncode != 0
        assert "rename: commit or stash your changes first" in result.stderr
        assert git(original, "status", "--porcelain") == "?? note\n"
    finally:
        (original / "note").unlink()


@pytest.mark.parametrize(
    "suffix", ["-5d8f7c9b6d-x7k2p", "-e2e-control-plane", "-e2e-0123abcd", "-smoke-x7k2p"]
)
def test_generated_names_fit(suffix):
    assert LONGEST + len(suffix) <= 63  # RFC 1123
