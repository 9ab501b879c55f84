"""The dashboard is one that Grafana 12 and newer load, and that a person can read and review."""

import json

import pytest

from tests.expressions import DASHBOARD, OUTSIDE_ROW, dashboard

BOARD = dashboard()
ROWS = [panel for panel in BOARD["panels"] if panel["type"] == "row"]
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24  # columns of Grafana's grid

every_panel = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])


def test_is_written_tidily():
    assert DASHBOARD.read_text() == json.dumps(BOARD, indent=2, sort_keys=True) + "\n"
    # What an export adds: numbers of one Grafana's database.
    assert not BOARD.keys() & {"id", "version", "iteration", "__inputs", "__requires"}


def test_is_a_dashboard():
    assert BOARD["schemaVersion"] == 42  # of Grafana 12.2; a newer one migrates it when it loads
    assert BOARD["uid"] == BOARD["title"] == "hellopod"
    assert {panel["type"] for panel in PANELS} == {"timeseries", "heatmap"}


def test_ids_and_titles_are_unique():
    for key in ("id", "title"):
        values = [panel[key] for panel in BOARD["panels"]]
        assert len(values) == len(set(values))


def test_panels_fill_the_grid():
    """None overlaps another one, sticks out or leaves a hole."""
    cells = []
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= WIDTH
        columns, lines = range(place["x"], place["x"] + place["w"]), range(place["h"])
        cells += [(place["y"] + line, column) for line in lines for column in columns]

    assert len(cells) == len(set(cells))
    assert len(cells) == WIDTH * (1 + max(line for line, _ in cells))


@every_panel
def test_panel_explains_itself(panel):
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"] == DATASOURCE
    assert [target["refId"] for target in panel["targets"]] == list("ABCDE")[
        : len(panel["targets"])
    ]
    assert all(target["legendFormat"] for target in panel["targets"])


@every_panel
def test_heat_maps_get_buckets(panel):
    formats = {target.get("format") for target in panel["targets"]}

    assert formats == ({"heatmap"} if panel["type"] == "heatmap" else {None})


def test_everything_can_be_chosen():
    variables = {variable["name"]: variable for variable in BOARD["templating"]["list"]}

    assert list(variables) == ["datasource", "namespace", "instance", "pod"]
    assert variables["datasource"]["query"] == "prometheus"
    asked = [variables[name] for name in ("namespace", "instance", "pod")]
    chosen_from = [*asked, *BOARD["annotations"]["list"]]
    assert all(item["datasource"] == DATASOURCE for item in chosen_from)
    assert {item["name"] for item in BOARD["annotations"]["list"]} == {
        "Drains",
        "Shedding",
        "Worker restarts",
    }


def test_other_sources_come_last():
    assert ROWS[-1]["title"] == OUTSIDE_ROW
