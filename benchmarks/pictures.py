"""Draws the results, with matplotlib: make .venv/bench.

python -m benchmarks.pictures draws all from benchmarks/results/*.json.
"""

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .processes import ROOT
from .results import RESULTS, read

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
    from matplotlib.figure import Figure as Figure
else:  # the measurements need none
    Axes = Figure = Any

INSTALL = "benchmarks: matplotlib is missing: make .venv/bench"
# Of Okabe and Ito: people with any colour vision can tell them apart.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")
GREY = "#BBBBBB"
DRAWN = ("w50", "c20", "c6+w94")  # handlers of benchmarks.admission
SPREAD = ("median", "least", "most")
DOCS = ROOT / "docs"
Row = Mapping[str, Any]
BESIDE_STOCK = {
    "rate": ("rate of /, times stock gunicorn's", "{:.1f}", 1),
    "goodput": ("served at 3 times the capacity, % of it", "{:.0f} %", 100),
    "lost": ("requests lost in a rollout", "{:.0f}", 1),
}


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


def beside_stock(found: Mapping[str, Any], path: Path) -> None:
    """Draw the README's picture: a panel for each quantity, a bar for each server's median."""
    figure, places = panels((12, 2.1), 1, len(BESIDE_STOCK), sharey=True)
    names = list(found["rate"]["servers"])
    for panel, (quantity, (title, form, times)) in zip(places, BESIDE_STOCK.items(), strict=True):
        servers = found[quantity]["servers"]
        middle = [times * servers[name]["median"] if name in servers else 0 for name in names]
        of = dict(zip(names, map(form.format, middle), strict=True))
        labels = [of[name] if name in servers else "not measured" for name in names]
        bars = panel.barh(names, middle, color=[COLOURS[0], GREY, GREY])
        panel.bar_label(bars, labels, padding=4, fontsize=11)
        panel.set_xlim(0, 1.25 * max(*middle, 1))
        panel.xaxis.set_visible(False)
        panel.spines[["top", "right", "bottom"]].set_visible(False)
        panel.tick_params(left=False, labelsize=11)
        panel.set_title(title, fontsize=11)
    places[0].invert_yaxis()  # of all, as they share it
    save(figure, path)


def goodput(rows: Sequence[Row], path: Path) -> None:
    """Draw goodput by load: a panel for each load, a line for each server."""
    found: dict[str, dict[str, list[tuple[float, Row]]]] = {}
    for row in rows:
        what, _, name = row["what"].partition(": ")
        if what.startswith("goodput at "):
            own = found.setdefault(name, {}).setdefault(row["server"], [])
            own.append((float(what.split()[2]), row))
    figure, places = panels((11, 8), -(-len(found) // 2), 2, sharey="row")
    for panel, (name, servers) in zip(places, found.items(), strict=False):
        panel.set_title(name)
        for (server, own), colour in zip(servers.items(), COLOURS, strict=True):
            factors = [factor for factor, _ in own]
            median, least, most = ([row[end] for _, row in own] for end in SPREAD)
            panel.plot(factors, median, "o-", color=colour, label=server)
            panel.fill_between(factors, least, most, color=colour, alpha=0.2, linewidth=0)
        factors = sorted({factor for own in servers.values() for factor, _ in own})
        panel.plot(factors, [min(1, f) for f in factors], color="0.8", linewidth=5, zorder=0)
        loads(panel, factors)
        panel.yaxis.set_major_formatter("{x:.0%}")
    for panel in places:  # not before all are drawn: it ends the scaling of those that share it
        panel.set_ylim(bottom=0)
    figure.supxlabel("load offered, times the server's own capacity; grey: ideal")
    figure.supylabel("answered with 200 within a second, share of that capacity")
    handles, labels = places[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    save(figure, path)


def loads(panel: Axes, factors: Sequence[float]) -> None:
    """Have multiples of the capacity on the x axis."""
    panel.set_xscale("log")
    panel.set_xticks(factors, [f"{factor:g}" for factor in factors])
    panel.minorticks_off()
    panel.grid(alpha=0.3)


def admission(cells: list[dict[str, Any]], path: Path) -> None:
    """Draw a column for each handler: answers a second above, the share of refusals below."""
    names = {"ours": "hellopod", "stock": "stock gunicorn, 16 threads"}
    cells = [cell for cell in cells if cell["load"].startswith("x")]
    figure, places = panels((11, 6), 2, len(DRAWN), sharex=True)
    for column, handler in enumerate(DRAWN):
        own = [cell for cell in cells if cell["handler"] == handler]
        served, refused = places[column], places[len(DRAWN) + column]
        for (server, name), colour in zip(names.items(), COLOURS, strict=False):
            rows = [next(row for row in cell["servers"] if row["server"] == server) for cell in own]
            factors = [float(cell["load"][1:]) for cell in own]
            served.plot(factors, [row["goodput"] for row in rows], "o-", color=colour, label=name)
            refused.plot(factors, [row["refused"] for row in rows], "o-", color=colour)
        served.set_title(handler)
        served.set_ylim(bottom=0)
        refused.set_ylim(-0.03, 1)
        refused.yaxis.set_major_formatter("{x:.0%}")
        for panel in (served, refused):
            loads(panel, factors)
    places[0].set_ylabel("200 within 1 s, a second")
    places[len(DRAWN)].set_ylabel("refused with 503")
    figure.supxlabel("load offered, times what stock gunicorn serves to 16 clients")
    figure.legend(*places[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    save(figure, path)


if __name__ == "__main__":
    available()
    goodput(read("overload")["rows"], RESULTS / "overload.png")
    beside_stock(read("beside_stock"), DOCS / "beside-stock.png")
    admission(read("admission")["cells"], DOCS / "admission.png")
