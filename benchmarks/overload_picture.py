"""Draws the overload curves."""

from collections.abc import Sequence
from pathlib import Path

from .goodput import Row
from .plotting import COLOURS, Axes, panels, save

MARKERS = "osD^"
WIDTH, HEIGHT = 11, 8  # inches


def curves(rows: Sequence[Row], path: Path) -> None:
    """Draw goodput by load: a panel for each load, a line for each server."""
    loads = list(dict.fromkeys(row.load for row in rows))
    figure, places = panels((WIDTH, HEIGHT), -(-len(loads) // 2), 2, sharex=True, sharey="row")
    for panel, load in zip(places, loads, strict=False):
        draw(panel, [row for row in rows if row.load == load])
        panel.set_title(load)
    for panel in places:  # not before all are drawn: it ends the scaling of those that share it
        panel.set_ylim(bottom=0)
    figure.supxlabel("load offered, times the server's own capacity")
    figure.supylabel("answered with 200 within a second, share of that capacity")
    panel.plot([], [], "ko", mfc="white", linestyle="", label="hollow: offered less than that")
    handles, labels = panel.get_legend_handles_labels()
    handles, labels = handles[-2::-1] + handles[-1:], labels[-2::-1] + labels[-1:]
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    save(figure, path)


def draw(panel: Axes, rows: Sequence[Row]) -> None:
    factors = sorted({row.factor for row in rows})
    panel.plot(factors, [min(1, f) for f in factors], color="0.8", linewidth=5, label="ideal")
    servers = dict.fromkeys(row.server for row in rows)
    for name, colour, marker in reversed(list(zip(servers, COLOURS, MARKERS, strict=True))):
        own = [row for row in rows if row.server == name]
        x, y = [row.factor for row in own], [row.goodput["median"] for row in own]
        panel.plot(x, y, color=colour, label=name)
        low, high = ([row.goodput[end] for row in own] for end in ("least", "most"))
        panel.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
        for row in own:  # hollow: less was offered
            face = colour if row.kept else "white"
            panel.plot(row.factor, row.goodput["median"], marker, color=colour, mfc=face)
    panel.set_xscale("log")
    panel.set_xticks(factors, [f"{factor:g}" for factor in factors])
    panel.minorticks_off()
    panel.yaxis.set_major_formatter("{x:.0%}")
    panel.grid(alpha=0.3)
