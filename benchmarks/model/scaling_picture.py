"""Draws docs/scaling.md's picture: the model beside the observation, and what it says."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.pictures import Axes, panels, save

from .autoscaling_comparison import Validation
from .autoscaling_model import Second

WIDTH, ROW = 11, 3  # inches


def draw(
    compared: Sequence[Validation], runs: dict[str, dict[str, list[Second]]], path: Path
) -> None:
    """Draw rows for the comparisons, and a column for each load with its runs by settings."""
    rows = -(-len(compared) // 2)
    figure, places = panels((WIDTH, ROW * (rows + 2)), rows + 2, 2)
    for place, comparison in zip(places[: len(compared)], compared, strict=True):
        beside(place, comparison)
    columns = zip(places[-4:-2], places[-2:], strict=True)
    for (shape, by_choice), (pods, shed) in zip(runs.items(), columns, strict=True):
        pods.set_title(shape, fontsize=10)
        for name, seconds in by_choice.items():
            minutes = [second.at / 60 for second in seconds]
            pods.plot(minutes, [second.ready for second in seconds], label=name)
            shed.plot(minutes, [second.shed / second.offered for second in seconds], label=name)
        pods.set_ylabel("Ready pods")
        shed.set_ylabel("share of requests not served")
        shed.set_xlabel("minutes")
        shed.legend(fontsize=8, loc="upper right")
    save(figure, path)


def beside(place: Axes, comparison: Validation) -> None:
    """Draw Ready pods as observed, and in the model."""
    rows = comparison.trial.rows
    at = [row.at for row in rows]
    low, middle, high = zip(*(comparison.band(index) for index in range(len(rows))), strict=True)
    place.fill_between(at, low, high, step="post", alpha=0.2, label="model, 5 to 95 % of phases")
    place.step(at, middle, where="post", linestyle=":", label="model, median")
    place.step(at, [row.ready for row in rows], where="post", color="black", label="observed")
    closest = [row.ready for row in comparison.closest]
    place.step(at, closest, where="post", linestyle="--", label="model, closest phases")
    place.set_title(f"validation: {comparison.trial.name}, {comparison.trial.log}", fontsize=10)
    place.set_ylabel("Ready pods")
    place.set_xlabel("seconds")
    place.legend(fontsize=8, loc="lower center")
