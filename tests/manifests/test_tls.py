"""The component that serves HTTPS, in an overlay as a user writes one."""

import json
import os
from pathlib import PurePosixPath

import kubernetes_validate
import pytest

from tests.manifests.conftest import ROOT, Rendering
from tests.manifests.test_kubernetes import SUPPORTED


@pytest.fixture
def secured(tmp_path):
    def relative(place):
        return os.path.relpath(ROOT / place, tmp_path)

    overlay = {
        "resources": [relative("k8s/base")],
        "components": [relative("k8s/components/tls")],
    }
    (tmp_path / "kustomization.yaml").write_text(json.dumps(overlay))
    return Rendering(tmp_path)


@pytest.mark.parametrize("version", SUPPORTED)
def test_schema(secured, version):
    for item in secured.objects:
        kubernetes_validate.validate(item, version, strict=True)


def test_files_are_the_secrets(secured):
    settings = secured.settings
    files = [PurePosixPath(file) for file in (settings.tls_cert_file, settings.tls_key_file)]
    [volume] = [volume for volume in secured.pod["volumes"] if "secret" in volume]
    [mount] = [each for each in secured.container["volumeMounts"] if each["name"] == "tls"]

    # https://kubernetes.io/docs/concepts/configuration/secret/#tls-secrets
    assert [file.name for file in files] == ["tls.crt", "tls.key"]
    assert {str(file.parent) for file in files} == {mount["mountPath"]}
    assert mount == {"name": volume["name"], "mountPath": "/etc/tls", "readOnly": True}
    assert volume["secret"] == {"secretName": "hellopod-tls", "defaultMode": 0o444}


def test_service_has_the_port_of_https_alone(secured):
    [port] = secured.find("Service")["spec"]["ports"]

    assert port == {"name": "https", "port": 443, "targetPort": "http", "appProtocol": "https"}


def test_probes_need_no_certificate(secured):
    assert {probe["httpGet"]["port"] for probe in secured.probes.values()} == {"management"}
    assert all("scheme" not in probe["httpGet"] for probe in secured.probes.values())


def test_off_unless_chosen(rendering):
    assert rendering.settings.tls_cert_file == rendering.settings.tls_key_file == ""
