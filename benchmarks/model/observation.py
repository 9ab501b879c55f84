"""What tests/e2e/test_autoscaling.py saw, and what the model makes of the same load.

An observation is the log of that test as it is. In those that are here, saturation was tried with
12 and 2 requests a second that take 3 s each. A new observation takes 8 minutes on kind. The
machine should do nothing else, and SCRAPED below has to be what its metrics-server does:
.venv/bin/pytest tests/e2e/test_autoscaling.py --results benchmarks/model/observed/NAME.txt
"""

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from benchmarks.model.autoscaling_model import Cluster, Model
from benchmarks.model.hpa import Target
from benchmarks.model.hpa_behavior import Rules, Settings
from benchmarks.model.pod_curve import curve
from benchmarks.model.pod_model import Handler

ROOT = Path(__file__).parents[2]
OBSERVED = ROOT / "benchmarks/model/observed"
MANIFEST = ROOT / "k8s/base/hpa.yaml"
SATURATION = ROOT / "k8s/components/autoscale-on-saturation/scaledobject.yaml"
STEP = 5  # seconds between two rows
BEFORE = 90  # seconds that the model runs with the light load, so that there are samples
# What the test sets: see SMALL, QUICK and TIMES there.
REQUEST, LIMIT = 0.075, 0.15
QUICK = Rules(15, (("Pods", 3, 15),))
TIMES = 3.0
LIGHT = {"cpu": 0.4 / TIMES, "saturation": 2 / 14}  # of the load; it goes on when the rest ends
SHARE = 1 / 2  # of the generator's regular stream for each of two pods, when some is refused
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
    log: str
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
    def capacity(self) -> float:
        """What each of the two pods served a second while they refused some."""
        full = [row.served for row in self.rows[1:] if row.ready == 2 and row.shed > 1]
        return statistics.median(full) / 2

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


def read(directory: Path = OBSERVED) -> list[Trial]:
    """Return the timelines of all logs."""
    return [trial for file in sorted(directory.glob("*.txt")) for trial in parse(file)]


def parse(file: Path) -> list[Trial]:
    """Return the timelines of one log."""
    trials = []
    for text in file.read_text().split("other answers: none")[1:]:
        found = re.findall(r"^ +(\d+) +(\d+) +(\d+) +([\d.]+) +([\d.]+) +0(.*)$", text, re.M)
        rows = tuple(Row(*map(int, each[:3]), *map(float, each[3:5])) for each in found)
        added = [row.at for row, each in zip(rows, found, strict=True) if "component" in each[5]]
        changed = added[0] + STEP / 2 if added else None
        name = "saturation" if added else "cpu"
        trials.append(Trial(name, file.stem, rows[:-1], changed))
    return trials


def settings(request: float, most: int, files: Sequence[Path] = ()) -> Settings:
    """Read hpa.yaml as it is, with what ScaledObjects look at beside CPU."""
    spec = yaml.safe_load(MANIFEST.read_text())["spec"]
    read = Settings.read(spec, request)
    targets = tuple(Target(threshold(file), cpu=False) for file in files)
    return replace(read, most=most, targets=read.targets + targets)


def threshold(file: Path) -> float:
    """Return what Prometheus' answer should be for each pod."""
    triggers = yaml.safe_load(file.read_text())["spec"]["triggers"]
    [found] = [trigger["metadata"] for trigger in triggers if trigger["type"] == "prometheus"]
    return float(found["threshold"])


def model(trial: Trial, seed: int) -> list[Row]:
    """Return the timeline that the model makes of the trial's load."""
    if trial.name == "cpu":
        handler = Handler(LIMIT / trial.capacity, cores=LIMIT, share=SHARE)
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
