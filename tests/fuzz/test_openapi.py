"""Every route is driven from the contract, against the real process."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

from tests.runtime.gunicorn_process import REPOSITORY, Gunicorn
from tests.runtime.invariants import assert_unharmed
from tests.runtime.raw import metric
from tests.service.test_openapi import OWN_STATUSES

CONTRACT = REPOSITORY / "service/openapi.yaml"
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
# What an endpoint of a fork may answer to a valid request, where its contract declares it.
REFUSALS = {"401", "403", "404", "409", "410", "422", "429"}  # it knows more than the contract
OUTAGES = {"502", "503", "504"}  # it depends on others, and none of these is here


def configuration(contract, text):
    """Return the settings for a contract: without paths that are gone, with what it declares."""
    paths = yaml.safe_load(contract)["paths"]
    checks = tomllib.loads(text)["checks"]
    block = re.compile(r'\[\[operations\]\]\ninclude-path = "(.+)"\n(?:.+\n)*')
    blocks = [block.sub(lambda found: found[0] if found[1] in paths else "", text)]
    for path in paths.keys() - OWN_STATUSES.keys():
        for method in paths[path].keys() - {"summary", "parameters"}:
            declared = set(paths[path][method]["responses"])
            blocks.append(f'[[operations]]\ninclude-name = "{method.upper()} {path}"\n')
            for check, more in (
                ("positive_data_acceptance", REFUSALS | OUTAGES),
                ("not_a_server_error", OUTAGES),
            ):
                statuses = [*checks[check]["expected-statuses"], *sorted(declared & more)]
                blocks.append(f"checks.{check}.expected-statuses = {json.dumps(statuses)}\n")
    return "".join(blocks)


def examples(seed):
    """Return how many requests of each operation are made up, beside those of its other phases."""
    return 100 if seed is None else 400


def run(url, directory, seed):
    settings = directory / "schemathesis.toml"
    settings.write_text(configuration(CONTRACT.read_text(), CONFIGURATION.read_text()))
    report = directory / "report.json"
    program = Path(sys.executable).with_name("schemathesis")
    command = [program, "--config-file", settings, "run", CONTRACT, "--url", url]
    cases = ["--generation-deterministic"] if seed is None else ["--seed", str(seed)]
    cases += ["--max-examples", str(examples(seed))]
    output = ["--report", "json", "--report-json-path", report, "--no-color"]
    result = subprocess.run(
        [*command, *cases, *output], cwd=directory, capture_output=True, text=True
    )
    assert report.exists() and report.stat().st_size, result.stdout + result.stderr
    return result, json.loads(report.read_text())


def test_answers_are_those_of_the_contract(tmp_path, seed):
    with Gunicorn() as server:
        url = f"http://127.0.0.1:{server.port}"
        result, report = run(url, tmp_path, seed)
        assert_unharmed(server)
        # 503 is declared for an outage, and a refusal would pass for one.
        assert metric(server.management, 'hellopod_requests_shed_total{reason="full"}') == 0
    cases = report["test_cases"]
    print(f"schemathesis: {cases['generated']} cases in {report['running_time']:.0f} s")
    assert result.returncode == 0, result.stdout
    assert report["operations"]["tested"] == report["operations"]["total"]
    assert cases["generated"] >= examples(seed) * report["operations"]["total"]
    assert cases["without_checks"] == 0


def test_what_is_accepted_is_what_the_contract_declares():
    contract = """
paths:
  /api/price:
    get: {responses: {"200": {}, "404": {}, "502": {}, default: {}}}
  /version:
    get: {responses: {"200": {}, "503": {}}}
"""
    text = configuration(contract, CONFIGURATION.read_text())
    [price] = tomllib.loads(text)["operations"]  # nothing on /api/echo, which is gone

    assert price["include-name"] == "GET /api/price"
    expected = {name: check["expected-statuses"][-2:] for name, check in price["checks"].items()}
    assert expected == {
        "positive_data_acceptance": ["404", "502"],
        "not_a_server_error": ["4xx", "502"],
    }
