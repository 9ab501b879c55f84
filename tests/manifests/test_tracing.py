"""The kustomization of docs/observability.md that turns tracing on."""

import os
import subprocess
from pathlib import Path

import yaml

from service.config import Config
from service.version import __version__

ROOT = Path(__file__).parents[2]


def test_overlay_of_the_guide(tmp_path):
    guide = (ROOT / "docs/observability.md").read_text().split("\n## Tracing\n")[1]
    overlay = guide.split("```yaml\n")[1].split("```")[0]
    base = os.path.relpath(ROOT / "k8s/base", tmp_path)
    (tmp_path / "kustomization.yaml").write_text(overlay.replace("../../base", base))
    ran = subprocess.run(["kubectl", "kustomize", tmp_path], capture_output=True, check=True)

    objects = yaml.safe_load_all(ran.stdout)
    [deployment] = [item for item in objects if item["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    plain = {e["name"]: e["value"] for e in container["env"] if "value" in e}
    assert container["image"] == f"hellopod:{__version__}-otel"
    assert Config.from_env(plain).otel_exporter_otlp_endpoint == "http://collector.monitoring:4318"


def test_off_unless_chosen(rendering):
    assert rendering.settings.otel_exporter_otlp_endpoint == ""
