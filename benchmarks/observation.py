"""The model beside what tests/e2e/test_autoscaling.py saw: python -m benchmarks.observation

The observation is the log of that test as it is; a new one, on kind in 8 minutes, while nothing
else uses the machine:
.venv/bin/pytest tests/e2e/test_autoscaling.py --results benchmarks/observed/autoscaling.txt
"""

import re
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from benchmarks import hpa
from benchmarks.autoscaling_model import Cluster, Model
from benchmarks.pod_model import Handler, curve

ROOT = Path(__file__).parents[1]
FILE = ROOT / "benchmarks/observed/autoscaling.txt"
MANIFEST = ROOT / "k8s/base/hpa.yaml"
SATURATION = ROOT / "k8s/components/autoscale-on-saturation/saturation.yaml"
STEP = 5  # seconds between two rows
BEFORE = 90  # seconds that the model runs with the light load, so that there are samples
SEEDS = 100  # other phases of the autoscaler, metrics-server and the kubelet, which nobody knows
# What the test sets: see SMALL, QUICK, TIMES, EACH_SECOND and WAITING there.
REQUEST, LIMIT = 0.075, 0.15
QUICK = hpa.Rules(15, (("Pods", 3, 15),))
TIMES = 3.0
LIGHT = {"cpu": 0.4 / TIMES, "saturation": 2 / 14}  # of the load; it goes on when the rest ends
SHARE = 1 / 2  # of the generator's regular stream for each of two pods, where some is refused
SCRAPED = 10.0  # the --metric-resolution of the metrics-server in the cluster that was observed
# A start takes 0.35 s of CPU: with 0.15 cores 2 s longer than with one.
SLOW_START = 3.2


@dataclass(frozen=True)
class Row:
    """What a timeline shows: pods at the end of some seconds, requests a second in them."""

    at: int
    wanted: float
    ready: float
    served: float
    shed: float


@dataclass(frozen=True)
class Trial:
    """One test's timeline, and the load of which it tells."""

    name: str
    rows: tuple[Row, ...]
    changed: float | None  # when the component was added

    @property
    def wait(self) -> float:
        """Seconds until an answer, on average."""
        return 3.0 if self.name == "saturation" else 0.0

    @property
    def rate(self) -> float:
        """Requests a second under load: the most usual."""
        return statistics.median(self.answers()[: self.end // STEP])

    @property
    def end(self) -> int:
        """The start of the row in which the load ends."""
        most = max(self.answers())
        return max(row.at for row in self.rows if row.served + row.shed > 0.9 * most) + STEP

    def answers(self) -> list[float]:
        return [row.served + row.shed for row in self.rows]

    def load(self, at: float) -> float:
        """Requests a second at a time, from how many were answered in all."""
        light = LIGHT[self.name] * self.rate
        last = self.answers()[self.end // STEP]
        stop = self.end + STEP * (last - light) / (self.rate - light) - self.wait
        heavy = sum(each - light for each in self.answers()[: self.end // STEP + 1]) * STEP
        return self.rate if stop - heavy / (self.rate - light) <= at < stop else light


def read(path: Path = FILE) -> list[Trial]:
    """Return the timelines of a log."""
    trials = []
    for text in path.read_text().split("other answers: none")[1:]:
        found = re.findall(r"^ +(\d+) +(\d+) +(\d+) +([\d.]+) +([\d.]+) +0(.*)$", text, re.M)
        rows = tuple(Row(*map(int, each[:3]), *map(float, each[3:5])) for each in found)
        added = [row.at for row, each in zip(rows, found, strict=True) if "component" in each[5]]
        changed = added[0] + STEP / 2 if added else None
        trials.append(Trial("saturation" if added else "cpu", rows[:-1], changed))
    return trials


def settings(request: float, most: int, files: Sequence[Path] = ()) -> hpa.Settings:
    """Read hpa.yaml as it is, with patches of its metrics."""
    spec = yaml.safe_load(MANIFEST.read_text())["spec"]
    patches = [patch for file in files for patch in yaml.safe_load(file.read_text())]
    spec["metrics"] += [patch["value"] for patch in patches]
    return replace(hpa.Settings.read(spec, request), most=most)


def model(trial: Trial, seed: int) -> list[Row]:
    """Return the timeline that the model makes of the trial's load."""
    if trial.name == "cpu":
        handler = Handler(LIMIT * TIMES / trial.rate, cores=LIMIT, share=SHARE)
        first, later = settings(REQUEST, 8), None
        cluster = Cluster(start=SLOW_START, scraped=SCRAPED)
    else:
        handler = Handler(0.0015, trial.wait, share=SHARE)
        first, later = settings(0.1, 6), settings(0.1, 6, [SATURATION])
        cluster = Cluster(scraped=SCRAPED)
    first = replace(first, down=QUICK)
    change = (trial.changed, replace(later, down=QUICK)) if later else None
    run = Model(curve(handler), trial.load, first, seed, -BEFORE, cluster, change)
    seconds = run.run(trial.rows[-1].at + STEP)
    rows = []
    for row in trial.rows:
        begin = row.at + BEFORE
        now = seconds[begin : begin + STEP]
        ended = seconds[begin - int(trial.wait) : begin + STEP - int(trial.wait)]
        served, shed = sum(s.served for s in ended) / STEP, sum(s.shed for s in now) / STEP
        rows.append(Row(row.at, now[-1].wanted, now[-1].ready, served, shed))
    return rows


def shed_share(rows: Sequence[Row]) -> float:
    """Return which share of all requests was refused."""
    return sum(row.shed for row in rows) / sum(row.served + row.shed for row in rows)


def distance(one: Sequence[Row], other: Sequence[Row]) -> float:
    """Return by how many pods two timelines differ, on average."""
    return statistics.mean(abs(a.ready - b.ready) for a, b in zip(one, other, strict=True))


@dataclass(frozen=True)
class Comparison:
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
        lines = [f"{self.trial.name}: observed | closest of {len(self.runs)} | 5 %, median, 95 %"]
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


def compare(trial: Trial, seeds: int = SEEDS) -> Comparison:
    """Run the model with so many seeds."""
    return Comparison(trial, [model(trial, seed) for seed in range(seeds)])


if __name__ == "__main__":
    for each in read():
        print(compare(each), end="\n\n")
