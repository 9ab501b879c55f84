"""Draws the results, with matplotlib: pip install -r requirements-bench.txt.

python -m benchmarks.pictures draws docs/admission.png from results/admission.json.
"""

import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import results
from .comparison import OURS, Comparison
from .goodput import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
    from matplotlib.figure import Figure as Figure
else:  # the measurements need none
    Axes = Figure = Any

INSTALL = (
    "benchmarks: matplotlib is missing: pip install --require-hashes -r requirements-bench.txt"
)
# Of Okabe and Ito: told apart also by who sees few colours.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")


def available() -> None:
    """Raise SystemExit without matplotlib: before the measurement, not after it."""
    if not importlib.util.find_spec("matplotlib"):
        sys.exit(INSTALL)


def panels(
    size: tuple[float, float], rows: int, columns: int, **shared: Any
) -> tuple[Figure, list[Axes]]:
    """Return a figure of so many inches, and its panels row by row."""
    from matplotlib.figure import Figure

    figure = Figure(size, layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False, **shared).flat)


def save(figure: Figure, path: Path) -> None:
    """Write it, the same bytes for the same picture and version of matplotlib."""
    figure.savefig(path, dpi=110, metadata={"Software": None})


def comparisons(found: Sequence[Comparison], path: Path) -> None:
    """Draw a panel of bars for each comparison: median, least and most."""
    columns = 3
    rows = -(-len(found) // columns)
    figure, places = panels((15, 2.4 * rows), rows, columns)
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


def curves(rows: Sequence[Row], path: Path) -> None:
    """Draw goodput by load: a panel for each load, a line for each server."""
    loads = list(dict.fromkeys(row.load for row in rows))
    figure, places = panels((11, 8), -(-len(loads) // 2), 2, sharex=True, sharey="row")
    for panel, load in zip(places, loads, strict=False):
        curve(panel, [row for row in rows if row.load == load])
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


def curve(panel: Axes, rows: Sequence[Row]) -> None:
    factors = sorted({row.factor for row in rows})
    panel.plot(factors, [min(1, f) for f in factors], color="0.8", linewidth=5, label="ideal")
    servers = dict.fromkeys(row.server for row in rows)
    for name, colour, marker in reversed(list(zip(servers, COLOURS, "osD^", strict=True))):
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


def admission(cells: list[dict[str, Any]], path: Path) -> None:
    """Draw a column for each handler: answers a second above, the share of refusals below."""
    names = {"ours": "hellopod", "stock": "stock gunicorn, 16 threads"}
    cells = [cell for cell in cells if cell["factor"]]
    handlers = list(dict.fromkeys(cell["handler"] for cell in cells))
    figure, places = panels((11, 6), 2, len(handlers), sharex=True)
    for column, handler in enumerate(handlers):
        own = [cell for cell in cells if cell["handler"] == handler]
        goodput, refused = places[column], places[len(handlers) + column]
        for (server, name), colour in zip(names.items(), COLOURS, strict=False):
            rows = [next(row for row in cell["servers"] if row["server"] == server) for cell in own]
            factors = [cell["factor"] for cell in own]
            goodput.plot(factors, [row["rate"] for row in rows], "o-", color=colour, label=name)
            refused.plot(factors, [row["refused"] for row in rows], "o-", color=colour)
        goodput.set_title(handler)
        goodput.set_ylim(bottom=0)
        refused.set_ylim(-0.03, 1)
        refused.yaxis.set_major_formatter("{x:.0%}")
        refused.set_xscale("log")
        refused.set_xticks(factors, [f"{factor:g}" for factor in factors])
        refused.minorticks_off()
        for panel in (goodput, refused):
            panel.grid(alpha=0.3)
    places[0].set_ylabel("200 within 1 s, a second")
    places[len(handlers)].set_ylabel("refused with 503")
    figure.supxlabel("load offered, times what stock gunicorn serves to 16 clients")
    figure.legend(*places[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    save(figure, path)


if __name__ == "__main__":
    available()
    found = json.loads((results.RESULTS / "admission.json").read_text())["cells"]
    admission(found, results.RESULTS.parents[1] / "docs" / "admission.png")
