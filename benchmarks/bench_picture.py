"""Draws a panel of bars for each comparison: median, least and most."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .comparison import OURS, Comparison
from .overload_picture import COLOURS, available

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["available", "draw"]

COLUMNS, WIDTH, ROW = 3, 15, 2.4  # inches


def draw(found: Sequence[Comparison], path: Path) -> None:
    from matplotlib.figure import Figure

    rows = -(-len(found) // COLUMNS)
    figure = Figure((WIDTH, ROW * rows), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for panel, comparison in zip(panels, found, strict=False):
        bars(panel, comparison)
    for panel in panels[len(found) :]:
        panel.remove()
    figure.savefig(path, dpi=100)


def bars(panel: "Axes", comparison: Comparison) -> None:
    rows = comparison.rows()
    middle = [row["median"] for row in rows]
    below = [row["median"] - row["least"] for row in rows]
    above = [row["most"] - row["median"] for row in rows]
    colours = [COLOURS[0] if row["server"] == OURS else "#BBBBBB" for row in rows]
    panel.barh([row["server"] for row in rows], middle, xerr=(below, above), color=colours)
    panel.invert_yaxis()
    panel.set_title(f"{comparison.what}, {comparison.unit}", fontsize=9)
    panel.tick_params(labelsize=8)
