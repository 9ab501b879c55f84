"""Every route is driven from the contract, against the real process."""

import json
import subprocess
import sys
from pathlib import Path

from tests.runtime.gunicorn_process import REPOSITORY, Gunicorn
from tests.runtime.invariants import assert_unharmed

CONTRACT = REPOSITORY / "service/openapi.yaml"
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


def run(url, directory, seed):
    report = directory / "report.json"
    program = Path(sys.executable).with_name("schemathesis")
    command = [program, "--config-file", CONFIGURATION, "run", CONTRACT, "--url", url]
    cases = ["--generation-deterministic", "--max-examples", "100"]  # for each operation
    if seed is not None:
        cases = ["--seed", str(seed), "--max-examples", "400"]
    output = ["--report", "json", "--report-json-path", report, "--no-color"]
    result = subprocess.run(
        [*command, *cases, *output], cwd=directory, capture_output=True, text=True
    )
    return result, json.loads(report.read_text())


def test_answers_are_those_of_the_contract(tmp_path, seed):
    with Gunicorn() as server:
        url = f"http://127.0.0.1:{server.port}"
        result, report = run(url, tmp_path, seed)
        assert_unharmed(server)
    cases = report["test_cases"]
    print(f"schemathesis: {cases['generated']} cases in {report['running_time']:.0f} s")
    assert result.returncode == 0, result.stdout
    assert report["operations"]["tested"] == report["operations"]["total"]
    assert cases["generated"] >= (1500 if seed is None else 5000)
    assert cases["without_checks"] == 0
