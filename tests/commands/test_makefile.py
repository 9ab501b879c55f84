import json
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from copy import deepcopy
from pathlib import Path

import pytest
import yaml

from tests.copying import copy
from tests.manifests.conftest import render
from tests.runtime.raw import get

REPOSITORY = Path(__file__).parents[2]
# Without what `make test` hands down: that makes another make talkative.
ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}


def make(*arguments):
    command = ["make", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, env=ENVIRON, capture_output=True, text=True)


def test_help_lists_every_target():
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = " ".join(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)).split()
    shown = make("help").stdout.splitlines()

    assert {line.split()[0] for line in shown} == set(targets)


def test_second_run_installs_nothing():
    """The environment this test runs in is complete, so make has nothing to do for it."""
    assert make("--question", ".venv/dev", ".venv/runtime", ".venv/reload").returncode == 0


def test_each_test_on_a_cluster_runs_once():
    """On one of two clusters, or apart from both."""
    apart, others = re.findall(r"pytest (tests/e2e[^&]*)", commands("e2e-rest"))
    [loading] = re.findall(r"pytest (tests/e2e.*)", commands("e2e-load"))
    left_out = set(re.findall(r"--ignore=(\S+)", others))

    assert left_out == {*loading.split(), *apart.split()}
    assert len(left_out) == len(loading.split()) + len(apart.split())
    assert all((REPOSITORY / file).exists() for file in left_out)
    assert "--cluster-name" in others and "--cluster-name" not in loading


def commands(target):
    printed = make("--silent", "--dry-run", target, "PYTEST=").stdout
    return printed.replace("\\\n", "")


@pytest.mark.parametrize("pytest_", ["exit 0", """case "$*" in *test_up*) exit 1;; esac"""])
def test_what_either_cluster_showed_is_printed_once(programs, pytest_):
    """Also where a test of one failed: the other goes on."""
    variables = programs(pytest=f"echo ran $*; {pytest_}")
    run = make("--silent", "e2e", "PYTEST=", "CLUSTERS=2", *variables)
    passed = pytest_ == "exit 0"

    assert (run.returncode == 0) is passed
    assert run.stdout.count("ran tests/e2e/test_up.py") == 1
    assert run.stdout.count("ran tests/e2e/test_alerts.py") == 1
    assert run.stdout.count("--cluster-name hellopod-e2e-rest") == passed


def test_one_cluster_has_all_tests(programs):
    """The longer run is last: its end lists what was not seen."""
    run = make("--silent", "e2e", "PYTEST=", "CLUSTERS=1", *programs(pytest="echo ran $*"))
    apart, rest = run.stdout.splitlines()
    files = apart.removeprefix("ran ").split()

    assert rest.split() == ["ran", "tests/e2e", *(f"--ignore={file}" for file in files)]


def test_a_selection_of_e2e_needs_one_cluster(programs):
    run = make("--silent", "e2e", "PYTEST=-k name", *programs(pytest="echo ran $*"))

    assert run.stdout.count("ran tests/e2e") == 1
    assert run.stdout.endswith(" -k name\n")


def test_every_folder_of_tests_runs():
    """Nothing but the folder decides it, so a new folder has to be named in the Makefile."""
    commands = make("--silent", "--dry-run", "test-all", "e2e", "PYTEST=").stdout.replace(
        "\\\n", ""
    )
    named = set(re.findall(r"(?<=\s)(?:\w+/)?tests(?:/\w+)?(?=\s)", commands))
    files = [file.relative_to(REPOSITORY) for file in REPOSITORY.glob("[!.]*/**/test_*.py")]

    assert {"/".join(file.parts[:2]) for file in files} <= named


def test_the_quick_tests_stay_quick():
    """In CI more than three minutes are a failure; on two quiet cores they take less than two."""
    printed = (make("--silent", "--dry-run", "test", f"CI={ci}").stdout for ci in ("true", ""))
    limited, free = (re.search(r".*/bin/pytest .*", each)[0] for each in printed)

    assert limited == f"timeout 180 {free}"


@pytest.mark.parametrize(
    ("monitors", "selection", "printed"),
    [("yes", "", True), ("", "", False), ("yes", "-k name", False)],
)
def test_the_quick_tests_print_coverage_where_that_costs_nothing(
    programs, monitors, selection, printed
):
    variables = programs(pytest="echo ran $* on $COVERAGE_CORE", python=f"echo {monitors}")
    run = make("--silent", "test", f"PYTEST={selection}", *variables)

    assert run.returncode == 0, run.stderr
    assert ("--cov=service" in run.stdout) is printed
    assert run.stdout.endswith("on sysmon\n") is printed


def test_a_selection_is_never_an_empty_success():
    """pytest ends with 5 where it selects nothing."""
    printed = {
        selection: make("--silent", "--dry-run", "test-all", f"PYTEST={selection}").stdout
        for selection in ("", "-k name")
    }

    assert printed["-k name"].count(" || test $? -eq 5\n") == 3
    assert "-eq 5" not in printed[""]
    assert "-eq 5" not in make("--silent", "--dry-run", "test", "PYTEST=-k name").stdout


@pytest.fixture
def programs(tmp_path):
    """Makes an environment of programs that are shell scripts; returns make's variables for it."""

    def write(**scripts):
        tmp_path.joinpath("bin").mkdir()
        for file in ("bin/pip", "dev", "runtime", "reload"):  # as in an environment that is made
            tmp_path.joinpath(file).touch()
        for name, script in scripts.items():
            program = tmp_path / "bin" / name
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)
        return f"VENV={tmp_path}", f"SCAN={tmp_path}/scan"

    return write


@pytest.mark.parametrize(
    ("pytest_", "code", "said"),
    [
        ("exit 5", 2, "test-all: no test was selected\n"),
        ("""case "$*" in *tests/runtime*) ;; *) exit 5; esac""", 0, ""),
        ("""case "$*" in *tests/timing*) ;; *) exit 5; esac""", 0, ""),
        ("""case "$*" in *tests/timing*) exit 1;; *) exit 5; esac""", 2, "Error 1"),
    ],
)
def test_a_selection_may_be_in_one_folder_alone(programs, pytest_, code, said):
    run = make("test-all", "PYTEST=-k name", *programs(pytest=pytest_))

    assert run.returncode == code
    assert said in run.stderr


def test_a_selection_of_before_does_not_count(programs):
    variables = programs(pytest="""case "$*" in *tests/runtime*) ;; *) exit 1; esac""")
    assert make("test-all", "PYTEST=-k name", *variables).returncode == 2
    Path(variables[0].partition("=")[2], "bin/pytest").write_text("#!/bin/sh\nexit 5\n")

    assert "no test was selected" in make("test-all", "PYTEST=-k name", *variables).stderr


@pytest.mark.parametrize("failing", ["ruff", "mypy", "zizmor", "none"])
def test_check_installs_checkov_last(programs, failing):
    """That takes minutes; a line that is too long is told at once."""
    tools = dict.fromkeys(("ruff", "mypy", "zizmor"), "exit 0")
    variables = programs(**{**tools, failing: "exit 1"}, python="echo scanned")
    (scan,) = (Path(one.partition("=")[2]) for one in variables if one.startswith("SCAN"))
    scan.joinpath("bin").mkdir(parents=True)
    scan.joinpath("bin/pip").write_text('#!/bin/sh\ntouch "$0.called"\n')
    scan.joinpath("bin/pip").chmod(0o755)
    run = make("check", *variables)

    passed = failing == "none"
    assert (run.returncode == 0, "scanned" in run.stdout) == (passed, passed), run.stderr
    assert scan.joinpath("bin/pip.called").exists() is passed


def test_a_lock_keeps_its_pins_but_for_an_upgrade():
    """uv keeps the pins of a lock that is there."""
    for target, upgrades in (("lock", False), ("lock-upgrade", True)):
        printed = make("--silent", "--dry-run", target).stdout.replace("\\\n", "")
        commands = [line for line in printed.splitlines() if " pip compile " in line]

        assert len(commands) >= len(list(REPOSITORY.glob("requirements*.txt")))
        assert all((" --upgrade " in line) is upgrades for line in commands)


@pytest.mark.parametrize("target", ["load", "tune"])
def test_load_and_tune_get_what_was_typed(target, tmp_path):
    """Neither make nor a shell reads it."""
    tmp_path.joinpath("bin").mkdir()
    for file in ("bin/pip", "dev"):  # as in an environment that is made
        tmp_path.joinpath(file).touch()
    printer = tmp_path / "bin/python"
    printer.write_text(f"#!/bin/sh\nexec {sys.executable} -c {PRINT_REQUEST!r}\n")
    printer.chmod(0o755)
    url, body = "/a?b=$c&d=#e", """{"text": "it's $5, $(shell false) \\"quoted\\" #1"}"""

    command = "--silent", f"PYTHON={printer}", f"VENV={tmp_path}", target
    assert make(*command).stdout == "[null, null]\n"
    run = make(*command, f"URL={url}", f"BODY={body}")
    assert json.loads(run.stdout) == [url, body]


PRINT_REQUEST = (
    "import json, os; print(json.dumps([os.environ.get(name) or None for name in ('URL', 'BODY')]))"
)


LISTENING = re.compile(r"\bListening at: http://\S+:(\d+)")


@contextmanager
def serving(directory, target):
    """Run a target that serves; what it needs is installed, so --old-file lets make do nothing."""
    with subprocess.Popen(
        ["make", "--old-file=.venv/runtime", "--old-file=.venv/reload", target],
        cwd=directory,
        env=ENVIRON | {"PORT": "0", "MANAGEMENT_PORT": "0", "POD_NAME": "laptop"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # a terminal has make and what it runs in one group
    ) as process:
        late = threading.Timer(60, os.killpg, (process.pid, signal.SIGKILL))
        late.start()
        try:
            yield process
        finally:
            late.cancel()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def port(process):
    return int(next(filter(None, map(LISTENING.search, process.stdout)))[1])


def interrupt(process):
    """Press Ctrl-C, and return what it says from then on."""
    os.killpg(process.pid, signal.SIGINT)
    return process.stdout.read()


def test_run_serves_until_ctrl_c():
    with serving(REPOSITORY, "run") as process:
        identity = json.loads(get(port(process), "/api/identity")[2])
        rest = interrupt(process)

    assert identity["pod"] == "laptop"
    assert "Traceback" not in rest


def test_dev_serves_what_is_saved(tmp_path):
    """Also after a mistake: its server does not survive one."""
    clone = copy(tmp_path)
    (clone / ".venv").symlink_to(REPOSITORY / ".venv")
    version = clone / "service/version.py"
    with serving(clone, "dev") as process:
        assert version_of(port(process)) != "1.2.3"
        version.write_text("def\n")
        next(line for line in process.stdout if "SyntaxError" in line)
        version.write_text('__version__ = "1.2.3"\n')
        assert version_of(port(process)) == "1.2.3"
        interrupt(process)


def version_of(port):
    return json.loads(get(port, "/version")[2])["version"]


def test_old_python_is_told_so(tmp_path):
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\nexec python3 -c 'import sys; sys.version_info = (3, 10); '\"$2\"\n")
    old.chmod(0o755)
    run = make(f"PYTHON={old}", f"VENV={tmp_path}/venv", "run")

    assert run.returncode != 0
    assert "hellopod needs Python 3.11 or newer" in run.stderr
    assert not (tmp_path / "venv").exists()


def test_manifests_of_a_release_name_its_image():
    image = "registry.example.com/somebody/hellopod@sha256:" + 64 * "a"
    printed = make("--silent", "manifests", f"IMAGE={image}")
    expected = deepcopy(render(".").objects)
    [deployment] = [item for item in expected if item["kind"] == "Deployment"]
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = image

    assert (printed.returncode, printed.stderr) == (0, "")
    assert list(yaml.safe_load_all(printed.stdout)) == expected
