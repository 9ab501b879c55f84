"""Draws a panel of bars for each comparison: median, least and most."""

from collections.abc import Sequence
from pathlib import Path

from .comparison import OURS, Comparison
from .plotting import COLOURS, Axes, panels, save

COLUMNS, WIDTH, ROW = 3, 15, 2.4  # inches


def draw(found: Sequence[Comparison], path: Path) -> None:
    """Draw one of each comparison."""
    rows = -(-len(found) // COLUMNS)
    figure, places = panels((WIDTH, ROW * rows), rows, COLUMNS)
    for panel, comparison in zip(places, found, strict=False):
        bars(panel, comparison)
    for panel in places[len(found) :]:
        panel.remove()
    save(figure, path)


def bars(panel: Axes, comparison: Comparison) -> None:
    rows = comparison.rows()
    middle = [row["median"] for row in rows]
    below = [row["median"] - row["least"] for row in rows]
    above = [row["most"] - row["median"] for row in rows]
    colours = [COLOURS[0] if row["server"] == OURS else "#BBBBBB" for row in rows]
    panel.barh([row["server"] for row in rows], middle, xerr=(below, above), color=colours)
    panel.invert_yaxis()
    panel.set_title(f"{comparison.what}, {comparison.unit}", fontsize=9)
    panel.tick_params(labelsize=8)
