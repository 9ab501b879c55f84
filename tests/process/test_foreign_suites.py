"""What Flask and prometheus-flask-exporter test of themselves holds for our subclasses too.

Each suite runs on what it is for and then on ours, and every test has to end the same way. The
suites are those of the versions that are installed.
"""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.process.sources import source

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
SUITES = {"flask": 450, "prometheus_flask_exporter": 60}  # how many of their tests pass at least


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
