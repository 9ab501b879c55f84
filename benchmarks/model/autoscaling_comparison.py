"""How far the model is from what was observed: python -m benchmarks.model.autoscaling_comparison

Nobody knows in which phase the autoscaler, metrics-server and the kubelet were, so the model runs
with many; the observation should be among its timelines.
"""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.model.observation import Row, Trial, model, read

SEEDS = 100  # phases


def shed_share(rows: Sequence[Row]) -> float:
    """Return which share of all requests was refused."""
    return sum(row.shed for row in rows) / sum(row.served + row.shed for row in rows)


def distance(one: Sequence[Row], other: Sequence[Row]) -> float:
    """Return by how many pods two timelines differ, on average."""
    return statistics.mean(abs(a.ready - b.ready) for a, b in zip(one, other, strict=True))


@dataclass(frozen=True)
class Validation:
    """A trial beside many runs of the model."""

    trial: Trial
    runs: list[list[Row]]

    @property
    def closest(self) -> list[Row]:
        """The run whose unknown phases fit best."""
        return min(self.runs, key=lambda run: distance(run, self.trial.rows))

    def band(self, index: int) -> tuple[float, float, float]:
        """Return the 5th, 50th and 95th percentile of Ready pods in a row."""
        values = sorted(run[index].ready for run in self.runs)
        return tuple(values[int(share * (len(values) - 1))] for share in (0.05, 0.5, 0.95))

    @property
    def inside(self) -> float:
        """The share of rows whose Ready pods lie between the 5th and 95th percentile."""
        bands = [self.band(index) for index in range(len(self.trial.rows))]
        rows = zip(bands, self.trial.rows, strict=True)
        return statistics.mean(low <= row.ready <= high for (low, _, high), row in rows)

    def shed(self) -> tuple[float, float, float]:
        """Return the 5th, 50th and 95th percentile of the share that is refused."""
        values = sorted(map(shed_share, self.runs))
        return tuple(values[int(share * (len(values) - 1))] for share in (0.05, 0.5, 0.95))

    def summary(self) -> dict[str, Any]:
        """Return what is worth keeping: both timelines and how far apart they are."""
        return {
            "trial": self.trial.name,
            "log": self.trial.log,
            "observed": [asdict(row) for row in self.trial.rows],
            "closest": [asdict(row) for row in self.closest],
            "ready_5_50_95": [self.band(index) for index in range(len(self.trial.rows))],
            "shed_observed": shed_share(self.trial.rows),
            "shed_closest": shed_share(self.closest),
            "shed_5_50_95": self.shed(),
            "rows_within": self.inside,
            "pods_apart": distance(self.closest, self.trial.rows),
        }

    def __str__(self) -> str:
        lines = [f"{self.trial.name}, {self.trial.log}, beside {len(self.runs)} runs of the model"]
        lines.append(f"{'observed':>29} | {'closest run':>20} | {'5, 50, 95 %':>11}")
        lines.append("seconds  ready  2xx/s  shed/s | ready  2xx/s  shed/s | ready")
        for index, (seen, run) in enumerate(zip(self.trial.rows, self.closest, strict=True)):
            band = "  ".join(f"{value:2.0f}" for value in self.band(index))
            lines.append(
                f"{seen.at:7}  {seen.ready:5}  {seen.served:5.1f}  {seen.shed:6.1f} | "
                f"{run.ready:5}  {run.served:5.1f}  {run.shed:6.1f} | {band}"
            )
        low, middle, high = (f"{value:.1%}" for value in self.shed())
        apart = statistics.median(distance(run, self.trial.rows) for run in self.runs)
        lines.append(
            f"refused: observed {shed_share(self.trial.rows):.1%}, closest run "
            f"{shed_share(self.closest):.1%}, all runs {low}, {middle}, {high}\n"
            f"Ready pods: {self.inside:.0%} of the rows within 5 to 95 % of the runs; apart on "
            f"average {distance(self.closest, self.trial.rows):.2f} pods (closest run), "
            f"{apart:.2f} (median run)"
        )
        return "\n".join(lines)


def compare(trial: Trial, seeds: int = SEEDS) -> Validation:
    """Run the model with so many seeds."""
    return Validation(trial, [model(trial, seed) for seed in range(seeds)])


if __name__ == "__main__":
    for each in read():
        print(compare(each), end="\n\n")
