"""skaffold.yaml without skaffold: its fields, and that what it names is there."""

import re
from pathlib import Path

import pytest
import yaml
from openapi_schema_validator import OAS31Validator

from tests.e2e.tar_stream import Profile
from tests.manifests.conftest import ROOT, render
from tests.manifests.custom_resources import closed

CONTENT = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
SCHEMA = yaml.safe_load((Path(__file__).parent / "schemas/skaffold.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PROFILES = {profile["name"]: profile for profile in CONTENT["profiles"]}
PIPELINES = {"": CONTENT, **PROFILES}

every_pipeline = pytest.mark.parametrize("name", PIPELINES)


def artifacts(name):
    """What a pipeline builds: target by image."""
    return {one["image"]: one["docker"]["target"] for one in PIPELINES[name]["build"]["artifacts"]}


def deployed(name):
    """What a pipeline deploys."""
    places = PIPELINES[name]["manifests"]["kustomize"]["paths"]
    return [item for place in places for item in render(place).objects]


def images(item):
    """The images of an object with pods, without their tags."""
    containers = item["spec"]["template"]["spec"]["containers"]
    return {re.sub(r":[\w.]+$", "", container["image"]) for container in containers}


def problems(content):
    return [error.message for error in OAS31Validator(closed(SCHEMA)).iter_errors(content)]


def test_fields_and_types():
    assert problems(CONTENT) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("artifacts:", "artefacts:"),
        ("target: dev", "stage: dev"),
        ("manual:", "manuel:"),
        ("port: 80\n", "port: http\n"),
        ("- command: dev", "- command: develop"),
        ("apiVersion: skaffold/v4beta13", "apiVersion: skaffold/v4beta12"),
        ("timeout: 300", "timeoutSeconds: 300"),
        ("inputDigest: {}", "inputDigest: true"),
    ],
)
def test_a_slip_shows(right, wrong):
    text = (ROOT / "skaffold.yaml").read_text()
    assert right in text

    assert len(problems(yaml.safe_load(text.replace(right, wrong)))) >= 1


@every_pipeline
def test_targets_are_in_the_dockerfile(name):
    assert set(artifacts(name).values()) <= set(
        re.findall(r"^FROM .* AS ([\w-]+)$", DOCKERFILE, re.M)
    )


@every_pipeline
def test_every_image_that_is_deployed_is_built(name):
    """By the very name: skaffold replaces that, and leaves any other as it is."""
    with_pods = [item for item in deployed(name) if item["kind"] == "Deployment"]

    [deployment] = with_pods
    assert images(deployment) <= set(artifacts(name))


def test_verify_runs_the_job_with_what_was_built():
    [verify] = CONTENT["verify"]
    job = yaml.safe_load(
        (ROOT / verify["executionMode"]["kubernetesCluster"]["jobManifestPath"]).read_text()
    )
    [container] = job["spec"]["template"]["spec"]["containers"]

    assert verify["name"] == job["metadata"]["name"]
    assert verify["container"] == {"name": container["name"], "image": container["image"]}
    assert artifacts("")[container["image"]] == "smoke"
    assert verify["timeout"] > job["spec"]["activeDeadlineSeconds"]


def test_dev_goes_by_itself():
    assert PROFILES["dev"]["activation"] == [{"command": "dev"}]
    assert [name for name, profile in PROFILES.items() if "activation" in profile] == ["dev"]


def test_dev_brings_all_code_to_where_the_image_has_it():
    stages = re.split(r"^FROM .* AS ([\w-]+)$", DOCKERFILE, flags=re.MULTILINE)
    stage = dict(zip(stages[1::2], stages[2::2], strict=True))
    profile = Profile.of(ROOT)
    [home] = re.findall(r"^WORKDIR (\S+)$", stage["base"], re.MULTILINE)
    [(source, place)] = re.findall(r"^COPY --chown=\S+ (\S+) (\S+)$", stage[profile.target], re.M)

    code = {
        f"{home}/{place}/{file.relative_to(ROOT / source)}"
        for file in (ROOT / source).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    brought = {place for place in profile.files(ROOT) if "__pycache__" not in place}
    assert brought == code
    # What starts the server anew watches the same folder.
    assert f'"{home}/{place}"]' in stage[profile.target]


def test_dev_forwards_the_service():
    [forward] = PROFILES["dev"]["portForward"]
    service = render("k8s/overlays/dev").find("Service")

    assert forward["resourceType"] == "service"
    assert forward["resourceName"] == service["metadata"]["name"]
    assert forward["namespace"] == service["metadata"]["namespace"]
    assert forward["port"] in [port["port"] for port in service["spec"]["ports"]]
    guide = (ROOT / "docs/deploy.md").read_text().split("\n## skaffold\n")[1].split("\n## ")[0]
    assert f"localhost:{forward['localPort']}" in guide


def test_patches_are_of_what_is_there():
    for profile in PROFILES.values():
        for patch in profile.get("patches", []):
            assert patch["path"].removeprefix("/") in CONTENT
