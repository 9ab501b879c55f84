"""What Flask and prometheus-flask-exporter test of themselves holds for our subclasses too.

Each suite runs on what it is for and then on ours, and every test has to end the same way. The
suites come from the source distributions of the versions that are installed; FOREIGN_SUITES names
a directory that has them already, as archives, for where there is no network.
"""

import os
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import pytest

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
SUITES = {"flask": 450, "prometheus_flask_exporter": 60}  # how many of their tests pass at least


def source(name: str, number: str, directory: Path) -> Path:
    """Return a source distribution, unpacked; fails with what is missing."""
    archive = f"{name}-{number}.tar.gz"
    kept = Path(os.environ.get("FOREIGN_SUITES") or directory)
    if not (kept / archive).exists():
        pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", name)
        fetched = subprocess.run(
            [*pip, "--dest", kept, f"{name}=={number}"], capture_output=True, text=True
        )
        if fetched.returncode:
            pytest.fail(
                f"needs {archive}: from the network, or in the directory that FOREIGN_SUITES names"
                f"\n{fetched.stderr[-500:]}",
                pytrace=False,
            )
    with tarfile.open(kept / archive) as sources:
        sources.extractall(directory, filter="data")
    return directory / archive.removesuffix(".tar.gz")


def outcomes(suite: Path, report: Path, **environ: str) -> dict[str, str]:
    """Run a suite; return how each of its tests ends."""
    paths = os.pathsep.join(map(str, (REPOSITORY, HERE / "suites")))
    options = ("-q", "-p", "no:cacheprovider", "-p", "ours", f"--junitxml={report}")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--continue-on-collection-errors", "tests"],
        cwd=suite,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": paths, **environ},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert report.exists(), done.stdout[-2000:] + done.stderr[-2000:]
    return {
        f"{case.get('classname')}::{case.get('name')}": ", ".join(part.tag for part in case)
        or "passed"
        for case in ElementTree.parse(report).iter("testcase")  # noqa: S314  # our own pytest's
    }


@pytest.mark.parametrize("name", SUITES)
def test_ours_is_as_theirs(tmp_path, name):
    suite = source(name, version(name), tmp_path)
    theirs = outcomes(suite, tmp_path / "theirs.xml")
    ours = outcomes(suite, tmp_path / "ours.xml", OURS="yes")

    counts = [sum(end == "passed" for end in ends.values()) for ends in (theirs, ours)]
    print(f"{name}: {counts} passed of {len(theirs)}")
    assert {test: end for test, end in ours.items() if theirs.get(test) != end} == {}
    assert ours.keys() == theirs.keys()
    assert counts[0] >= SUITES[name]
