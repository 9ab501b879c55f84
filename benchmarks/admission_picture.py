"""Draws goodput and refusals over load: python -m benchmarks.admission_picture.

From results/admission.json, which benchmarks.admission writes; needs matplotlib.
"""

import json
from pathlib import Path
from typing import Any

from . import plotting, results

PICTURE = results.RESULTS.parents[1] / "docs" / "admission.png"
SIZE = 11, 6  # inches
NAMES = {"ours": "hellopod", "stock": "stock gunicorn, 16 threads"}


def draw(cells: list[dict[str, Any]], path: Path) -> None:
    """Draw a column for each handler: answers a second above, the share of refusals below."""
    cells = [cell for cell in cells if cell["factor"]]
    handlers = list(dict.fromkeys(cell["handler"] for cell in cells))
    figure, places = plotting.panels(SIZE, 2, len(handlers), sharex=True)
    for column, handler in enumerate(handlers):
        own = [cell for cell in cells if cell["handler"] == handler]
        goodput, refused = places[column], places[len(handlers) + column]
        for (server, name), colour in zip(NAMES.items(), plotting.COLOURS, strict=False):
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
    plotting.save(figure, path)


if __name__ == "__main__":
    plotting.available()
    draw(json.loads((results.RESULTS / "admission.json").read_text())["cells"], PICTURE)
