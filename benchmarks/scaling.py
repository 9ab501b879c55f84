"""What the autoscaler's settings cost and lose on the way to 1,000,000 requests a second.

python -m benchmarks.scaling      4 minutes; writes benchmarks/results/scaling.json and scaling.png

Pods as in k8s/overlays/production (half a CPU requested), up to as many as it takes; the settings
of k8s/base/hpa.yaml, and others that differ from them in one thing each.
"""

import json
import statistics
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks import observation, scaling_picture
from benchmarks.autoscaling_model import Cluster, Model, Second
from benchmarks.hpa import Rules, Settings, Target
from benchmarks.pod_model import Handler, curve

RESULTS = Path(__file__).with_name("results")
SEEDS = 5  # phases; the table has their median
REQUEST = 0.5  # cores, as in k8s/overlays/production/resources.yaml
ENOUGH = 5000  # pods
CALM = 300.0  # seconds of the first rate before, and three times as many after
LOST = 0.01  # of the requests of a second: from there on it counts as one that sheds
HELLO = Handler(work=1 / 2500)  # `/`, on one core
WAITING = Handler(work=0.0007, wait=0.1)  # docs/capacity.md
SHIPPED = observation.settings(REQUEST, ENOUGH)
SATURATION = observation.settings(REQUEST, ENOUGH, [observation.SATURATION])


@dataclass(frozen=True)
class Shape:
    """A load that rises from one rate to another, stays, and falls as it rose; or does so again."""

    name: str
    low: float  # requests a second
    high: float
    rise: float  # seconds
    stay: float
    handler: Handler = HELLO
    times: int = 1
    every: float = 0.0

    @property
    def end(self) -> float:
        """When the calm after it is over."""
        return 4 * CALM + 2 * self.rise + self.stay + (self.times - 1) * self.every

    def __call__(self, at: float) -> float:
        """Return the rate at a time."""
        at -= CALM
        if self.every:
            at -= min(max(0, at // self.every), self.times - 1) * self.every
        slope = self.rise or 1e-9
        part = min(1.0, at / slope, (2 * self.rise + self.stay - at) / slope)
        return self.low + (self.high - self.low) * max(0.0, part)


SHAPES = (
    Shape("step, 2,000 to 6,000", 2_000, 6_000, 0, 600),
    Shape("flash crowd, 2,000 to 40,000 in 10 s", 2_000, 40_000, 10, 300),
    Shape("six bursts, 2,000 to 10,000, 1 of 3 min", 2_000, 10_000, 5, 50, times=6, every=180),
    Shape("ramp, 1,000 to 50,000 in 10 min", 1_000, 50_000, 600, 300),
    Shape("ramp, 10,000 to 1,000,000 in 30 min", 10_000, 1_000_000, 1800, 600),
    Shape("step, 100,000 to 1,000,000", 100_000, 1_000_000, 0, 600),
    Shape("flash crowd, 10,000 to 1,000,000 in 60 s", 10_000, 1_000_000, 60, 600),
    Shape("waiting, flash crowd, 500 to 5,000 in 10 s", 500, 5_000, 10, 300, WAITING),
)


def up(*policies: tuple[str, int, float], window: float = 0) -> Settings:
    return replace(SHIPPED, up=Rules(window, policies))


def down(window: float, *policies: tuple[str, int, float]) -> Settings:
    return replace(SHIPPED, down=Rules(window, policies))


def wanting(share: float) -> Settings:
    return replace(SHIPPED, targets=(Target(share, REQUEST),))


@dataclass(frozen=True)
class Choice:
    """Settings, and the cluster that they meet."""

    name: str
    settings: Settings
    cluster: Cluster = Cluster()


CHOICES = (
    Choice("as shipped", SHIPPED),
    Choice("target 50 %", wanting(0.5)),
    Choice("target 85 %", wanting(0.85)),
    Choice("up: Kubernetes' default, or 4 pods", up(("Percent", 100, 15), ("Pods", 4, 15))),
    Choice("up: tenfold in 15 s", up(("Percent", 900, 15))),
    Choice("up: half as much again in 15 s", up(("Percent", 50, 15))),
    Choice("up: doubling in 60 s", up(("Percent", 100, 60))),
    Choice("up: stabilized over 60 s", up(("Percent", 100, 15), window=60)),
    Choice("down: one pod in 60 s", down(120, ("Pods", 1, 60))),
    Choice("down: Kubernetes' default", down(300, ("Percent", 100, 15))),
    Choice("down: all after 15 s", down(15, ("Percent", 100, 15))),
    Choice("at least 20 pods", replace(SHIPPED, least=20)),
    Choice("at most 20 pods", replace(SHIPPED, most=20)),
    Choice("room for 100 pods, 90 s for nodes", SHIPPED, Cluster(room=100)),
    Choice("pods created without a limit", SHIPPED, Cluster(created=1e9)),
    Choice("with autoscale-on-saturation", SATURATION),
)


DRAWN = (
    "as shipped",
    "target 50 %",
    "up: doubling in 60 s",
    "down: one pod in 60 s",
    "room for 100 pods, 90 s for nodes",
    "with autoscale-on-saturation",
)


@dataclass(frozen=True)
class Outcome:
    """What became of a load; the median over the seeds."""

    shape: str
    choice: str
    shed: float  # share of all requests
    shedding: float  # seconds in which more than LOST were not served
    pods: float  # Ready, at most
    reserved: float  # core hours, by the CPU request
    used: float  # core hours
    decisions: float  # that changed the number of pods


def run(shape: Shape, choice: Choice, seed: int) -> list[Second]:
    """Return all seconds of one run."""
    model = Model(curve(shape.handler), shape, choice.settings, seed, 0.0, choice.cluster)
    return model.run(shape.end)


def figures(seconds: list[Second]) -> tuple[float, ...]:
    """Return what an Outcome holds."""
    offered = sum(second.offered for second in seconds)
    wanted = [second.wanted for second in seconds]
    return (
        sum(second.shed for second in seconds) / offered,
        sum(second.shed > LOST * second.offered for second in seconds),
        max(second.ready for second in seconds),
        sum(wanted) * REQUEST / 3600,
        sum(second.cpu for second in seconds) / 3600,
        sum(a != b for a, b in zip(wanted, wanted[1:], strict=False)),
    )


def outcome(case: tuple[Shape, Choice]) -> Outcome:
    """Run one case with all seeds."""
    shape, choice = case
    many = [figures(run(shape, choice, seed)) for seed in range(SEEDS)]
    return Outcome(shape.name, choice.name, *map(statistics.median, zip(*many, strict=True)))


def table(shape: str, outcomes: list[Outcome]) -> str:
    """Return the rows of one load."""
    lines = [shape]
    lines.append(f"  {'':36} {'shed':>6} {'for':>7} {'pods':>5} {'reserved':>9} {'used':>7}")
    for each in outcomes:
        lines.append(
            f"  {each.choice:36} {each.shed:6.1%} {each.shedding:5.0f} s {each.pods:5.0f} "
            f"{each.reserved:7.1f} h {each.used:5.1f} h"
        )
    return "\n".join(lines)


def main() -> None:
    """Print all tables, and write them with the validation and the picture."""
    compared = [observation.compare(trial) for trial in observation.read()]
    print("\n\n".join(map(str, compared)))
    for shape in SHAPES:
        curve(shape.handler)  # before the processes are forked
    with ProcessPoolExecutor() as processes:
        outcomes = list(processes.map(outcome, [(s, c) for s in SHAPES for c in CHOICES]))
    for shape in SHAPES:
        rows = [each for each in outcomes if each.shape == shape.name]
        print("\n" + table(shape.name, rows))
    RESULTS.mkdir(exist_ok=True)
    result = {
        "validation": [each.summary() for each in compared],
        "outcomes": [asdict(each) for each in outcomes],
    }
    (RESULTS / "scaling.json").write_text(json.dumps(result, indent=1) + "\n")
    runs = {
        shape.name: {each.name: run(shape, each, seed=0) for each in CHOICES if each.name in DRAWN}
        for shape in SHAPES
        if shape.high == 1_000_000 and shape.rise < 1000
    }
    scaling_picture.draw(compared, runs, RESULTS / "scaling.png")


if __name__ == "__main__":
    main()
