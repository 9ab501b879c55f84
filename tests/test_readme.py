"""The README's tables and commands are those of the code."""

import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
import yaml

from service.config import Config
from service.version import __version__

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text()


def table(heading):
    """Return the rows of the first table below a heading, as lists of cells."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_endpoints(app):
    documented = {row[0].strip("`") for row in table("Endpoints")}

    assert documented == {rule.rule for rule in app.url_map.iter_rules()}


def test_settings():
    documented = {row[0].strip("`"): row[1:] for row in table("Settings")}

    assert list(documented) == [setting.name.upper() for setting in fields(Config)]
    for setting in fields(Config):
        default, meaning = documented[setting.name.upper()]
        assert meaning.startswith(setting.metadata["meaning"].split("; default")[0])
        if setting.default is not MISSING and setting.name != "version":
            assert default == str(setting.default).lower()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake ([a-z0-9-]+)", README))))
def test_make_targets_exist(target):
    assert re.search(rf"^{target}:", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", sorted({row[0].strip("`") for row in table("Deploy")}))
def test_kustomizations_exist(path):
    assert (REPOSITORY / path / "kustomization.yaml").is_file()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`(tests/[\w/]+\.py)`", README))))
def test_proofs_exist(path):
    assert "\ndef test_" in (REPOSITORY / path).read_text()


def test_images_are_this_version():
    assert set(re.findall(r"hellopod:(\d[\w.]*)", README)) == {__version__}


def test_scrape_configuration_is_yaml():
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)

    assert yaml.safe_load(block)["scrape_configs"][0]["job_name"] == "pods"
