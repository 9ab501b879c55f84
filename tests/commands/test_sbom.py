"""`make sbom` says what the service is made of, in a form that others' tools read."""

import json

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from service.version import __version__
from tests.copying import REPOSITORY, run


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    file = tmp_path_factory.mktemp("sbom") / "sbom.json"
    result = run(REPOSITORY, "make", "sbom", f"SBOM={file}")
    assert result.returncode == 0, result.stderr
    return file.read_text()


@pytest.fixture
def sbom(text):
    return json.loads(text)


def locked():
    """What pip installs here from the lock of the image: names with versions."""
    lines = (REPOSITORY / "requirements.txt").read_text().splitlines()
    pins = [Requirement(line.rstrip(" \\")) for line in lines if "==" in line and line[0] != " "]
    return {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin in pins
        if not pin.marker or pin.marker.evaluate()
    }


def test_schema(text, sbom):
    version = SchemaVersion.from_version(sbom["specVersion"])

    assert version >= SchemaVersion.V1_6
    assert JsonStrictValidator(version).validate_str(text) is None


def test_all_that_is_locked_and_nothing_else(sbom):
    parts = {canonicalize_name(part["name"]): part["version"] for part in sbom["components"]}

    assert parts == locked()
    assert all(part["purl"] and part["licenses"] for part in sbom["components"])


def test_is_about_this_version(sbom):
    about = sbom["metadata"]["component"]

    assert (about["name"], about["version"]) == ("hellopod", __version__)
    # What it needs itself, and what those need.
    needs = {entry["ref"]: entry.get("dependsOn", []) for entry in sbom["dependencies"]}
    assert len(needs[about["bom-ref"]]) < len(sbom["components"])
    assert needs.keys() == {about["bom-ref"], *(part["bom-ref"] for part in sbom["components"])}


def test_is_the_same_wherever_it_is_made(text, sbom):
    assert "serialNumber" not in sbom
    assert "timestamp" not in sbom["metadata"]
    assert str(REPOSITORY) not in text
