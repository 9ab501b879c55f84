"""The scrape configuration of the documents finds pods of either family."""

import re
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
PAGES = [REPOSITORY / "README.md", *REPOSITORY.glob("docs/*.md")]
[BLOCK] = re.findall(
    r"```yaml\n(scrape_configs:\n.*?)```", "".join(page.read_text() for page in PAGES), re.DOTALL
)
META = "__meta_kubernetes_pod_"


def relabel(labels):
    """Do as Prometheus does with action replace, its default."""
    for rule in yaml.safe_load(BLOCK)["scrape_configs"][0]["relabel_configs"]:
        value = ";".join(labels.get(name, "") for name in rule["source_labels"])
        match = re.fullmatch(rule.get("regex", "(.*)"), value)
        if match and "target_label" in rule:
            template = re.sub(r"\$(\d)", r"\\\1", rule.get("replacement", "$1"))
            labels = labels | {rule["target_label"]: match.expand(template)}
    return labels


@pytest.mark.parametrize(
    ("address", "target"),
    [("10.244.0.5", "10.244.0.5:9000"), ("fd00:10:244::5", "[fd00:10:244::5]:9000")],
)
def test_target(address, target):
    port = {f"{META}annotation_prometheus_io_port": "9000"}
    assert relabel({f"{META}ip": address, "__address__": "x"} | port)["__address__"] == target
