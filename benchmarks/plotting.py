"""matplotlib, for the pictures of the results: pip install -r requirements-bench.txt."""

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
