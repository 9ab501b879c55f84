"""What the panels show of other sources' series, as Prometheus evaluates them."""

from pathlib import Path

import yaml

from tests.expressions import expressions
from tests.promtool import promtool

CONTENT = yaml.safe_load(Path(__file__).with_name("panels.yaml").read_text())
AT = "10m"  # the last sample of each series
PANELS = {
    (panel.name, panel.text): panel.expr
    for panel in expressions(namespace="a", window="5m")
    if panel.source == "panel" and panel.needs_outside
}
CASES = [
    (case["panel"], case["legend"]) for test in CONTENT["tests"] for case in test["panel_test"]
]


def test_every_panel_is_evaluated():
    assert sorted(CASES) == sorted(PANELS)


def test_panels_show_what_they_say(tmp_path):
    tests = [
        {
            "name": test["name"],
            "interval": test["interval"],
            "input_series": test["input_series"],
            "promql_expr_test": [
                {
                    "expr": PANELS[case["panel"], case["legend"]],
                    "eval_time": AT,
                    "exp_samples": case["shows"],
                }
                for case in test["panel_test"]
            ],
        }
        for test in CONTENT["tests"]
    ]
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump({**CONTENT, "tests": tests}))

    assert "SUCCESS" in promtool("test", "rules", "panels.yaml", folder=tmp_path)
