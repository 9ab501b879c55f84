"""A fork has another name, lacks what is about hellopod itself, and works as this does."""

import re
import sys
from pathlib import Path

import pytest

from rename import LEAVES, LONGEST, MARK, PINS
from tests.copying import REPOSITORY, copy, git, run
from tests.repository.forking import fork

NAME = "order-desk"  # a hyphen is legal in the name of an object, and not in that of a metric
# What knows a name or says what is there, and is no load, browser or cluster. test_fork.py runs the
# rest of it: `make test`.
OWN_TESTS = (
    "tests/documents",
    "tests/commands/test_dockerfile.py",
    "tests/commands/test_local.py::test_up_makes_everything_and_says_where_it_is",
    "tests/commands/test_makefile.py",
    "tests/commands/test_release.py",
    "tests/commands/test_requirements.py",
    "tests/commands/test_smoke.py::test_needs_nothing_but_http",
    "tests/process/test_management.py::test_endpoints",
    "tests/process/test_metrics.py::test_a_trace_becomes_an_exemplar",
    "tests/service/test_api.py",
    "tests/service/test_page.py",
    # Its environment is borrowed, and so not older than its locks.
    "--deselect=tests/commands/test_makefile.py::test_second_run_installs_nothing",
)


def rename(directory, name):
    return run(directory, "make", f"PYTHON={sys.executable}", "rename", f"NAME={name}")


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return copy(tmp_path_factory.mktemp("original"))


@pytest.fixture(scope="module")
def renamed(tmp_path_factory):
    return fork(tmp_path_factory.mktemp("fork"), NAME)


def files_of(directory):
    return [directory / name for name in git(directory, "ls-files", "-z").split("\0") if name]


def test_nothing_has_the_old_name(renamed):
    named = [
        str(file.relative_to(renamed))
        for file in files_of(renamed)
        if re.search(rb"hellopod", bytes(file.relative_to(renamed)) + file.read_bytes(), re.I)
    ]

    assert named == []


def test_no_identifier_has_a_hyphen(renamed):
    """In Python, metrics, rules, dashboards and environment variables it is an underscore."""
    mixed = re.compile(rf"\w*(?:_{NAME}|{NAME}_)\w*", re.IGNORECASE)
    found = [mixed.findall(file.read_text(errors="replace")) for file in files_of(renamed)]

    assert sum(found, []) == []


def test_its_own_tests_pass(renamed):
    """That no link dangles, that README and contract list its routes, that locks fit, ..."""
    pytest_ = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    result = run(renamed, *pytest_, *OWN_TESTS)

    assert result.returncode == 0, result.stdout[-3000:]


def test_its_lines_are_wrapped(renamed):
    for check in (("format", "--check"), ("check",)):
        result = run(renamed, sys.executable, "-m", "ruff", *check, ".")
        assert result.returncode == 0, result.stdout


def test_what_is_about_the_original_has_left(renamed):
    assert [place for place in (*LEAVES, "fork") if (renamed / place).exists()] == []


def test_nothing_names_what_has_left(renamed):
    """But for e2e-full.txt: `make e2e-full` makes that."""
    gone = {Path(place).name if Path(place).suffix else place for place in LEAVES}
    names = {*gone - {"e2e-full.txt"}, MARK, *PINS, *TARGETS}
    mention = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})(?!\w)")
    found = {
        str(file.relative_to(renamed)): mentions
        for file in files_of(renamed)
        if (mentions := mention.findall(file.read_text(errors="replace")))
    }

    assert found == {}


TARGETS = ("make rename", "make bench", "make soak")


def test_no_gap_shows_what_has_left(renamed):
    """Two empty lines outside of code, or one at the end."""
    files = [renamed / "Makefile", renamed / "pyproject.toml", *renamed.glob("**/*.md")]
    texts = {file.name: re.sub(r"(?s)```.*?```", "code", file.read_text()) for file in files}

    assert [name for name, text in texts.items() if re.search(r"\n\n(?:\n|\Z)", text)] == []


def test_readme_and_changelog_are_those_of_a_new_service(renamed):
    readme, changelog = ((renamed / name).read_text() for name in ("README.md", "CHANGELOG.md"))

    assert readme.startswith(f"# {NAME}\n")
    assert len(readme.splitlines()) < 80
    assert re.findall(r"^## (.*)$", changelog, re.MULTILINE) == ["[Unreleased]"]


def test_renders_under_the_new_name(renamed):
    rendered = run(renamed, "kubectl", "kustomize", ".").stdout

    assert set(re.findall("^  name: (.*)$", rendered, re.M)) == {NAME}
    assert set(re.findall("^  namespace: (.*)$", rendered, re.M)) == {NAME}
    assert re.search(rf"image: {NAME}:\d", rendered)


def test_metrics_have_the_new_prefix(renamed):
    code = "import service; print(service.create_app().test_client().get('/metrics').text)"
    metrics = run(renamed, sys.executable, "-c", code).stdout

    assert "\norder_desk_build_info{" in metrics


def test_a_commit_loses_nothing(renamed):
    """`git commit -a` passes over files that git does not know, as renamed ones would be."""
    original = renamed.parent / "renamed"

    assert git(original, "status", "--porcelain") == ""
    assert git(renamed, "ls-files") == git(original, "ls-files")


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


def test_says_that_it_installs_something(tmp_path):
    """The copy has no environment, and `true` makes none."""
    result = run(
        copy(tmp_path), "make", f"PYTHON={sys.executable}", "rename", f"NAME={NAME}", "MAKE=true"
    )

    assert result.returncode == 0, result.stderr
    assert "Installing what formats the code" in result.stdout


def test_uncommitted_changes_are_left_alone(original):
    (original / "note").write_text("mine")
    try:
        result = rename(original, NAME)
        assert result.returncode != 0
        assert "rename: commit or stash your changes first" in result.stderr
        assert git(original, "status", "--porcelain") == "?? note\n"
    finally:
        (original / "note").unlink()


CLUSTERS = re.findall(r"--cluster-name hellopod(-\S+)", (REPOSITORY / "Makefile").read_text())


@pytest.mark.parametrize(
    "suffix",
    ["-5d8f7c9b6d-x7k2p", "-e2e-0123abcd", "-smoke-x7k2p"]
    + [f"{cluster}-control-plane" for cluster in CLUSTERS],
)
def test_generated_names_fit(suffix):
    assert LONGEST + len(suffix) <= 63  # RFC 1123


def test_the_comment_names_the_longest():
    node = f"{max(CLUSTERS, key=len)}-control-plane"

    assert f"node by {node}." in (REPOSITORY / "rename.py").read_text()
