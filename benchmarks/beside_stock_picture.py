"""Draws the README's picture: three panels, a bar for each server."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .plotting import COLOURS, Axes, panels, save

TITLES = {
    "rate": ("rate of /, times stock gunicorn's", "{:.1f}", 1),
    "goodput": ("served at 3 times the capacity, % of it", "{:.0f} %", 100),
    "lost": ("requests lost in a rollout", "{:.0f}", 1),
}


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw one panel for each quantity, the median of each server."""
    figure, places = panels((12, 2.1), 1, len(TITLES), sharey=True)
    names = list(found["rate"]["servers"])
    for panel, (quantity, (title, form, times)) in zip(places, TITLES.items(), strict=True):
        bars(panel, names, found[quantity]["servers"], form, times)
        panel.set_title(title, fontsize=11)
    places[0].invert_yaxis()  # of all, as they share it
    save(figure, path)


def bars(
    panel: Axes, names: Sequence[str], servers: Mapping[str, Any], form: str, times: float
) -> None:
    """Draw the bars, each with its number; there may be none for a server."""
    middle = [times * servers[name]["median"] if name in servers else 0 for name in names]
    labels = [
        form.format(value) if name in servers else "not measured"
        for name, value in zip(names, middle, strict=True)
    ]
    colours = [COLOURS[0], "#BBBBBB", "#BBBBBB"]
    panel.bar_label(panel.barh(names, middle, color=colours), labels, padding=4, fontsize=11)
    panel.set_xlim(0, 1.25 * max(*middle, 1))
    panel.xaxis.set_visible(False)
    panel.spines[["top", "right", "bottom"]].set_visible(False)
    panel.tick_params(left=False, labelsize=11)
