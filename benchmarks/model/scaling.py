"""What the autoscaler's settings cost and lose on the way to 1,000,000 requests a second.

python -m benchmarks.model.scaling      5 minutes on two cores; needs matplotlib

Writes benchmarks/results/scaling.json and scaling.png.
"""

import statistics
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass

from benchmarks import pictures, results
from benchmarks.model import scaling_picture
from benchmarks.model.autoscaling_comparison import compare
from benchmarks.model.autoscaling_model import Model, Second
from benchmarks.model.observation import read
from benchmarks.model.pod_curve import curve
from benchmarks.model.scenarios import CHOICES, SHAPES, Choice, Shape

SEEDS = 5  # phases; the table has their median
LOST = 0.01  # of the requests of a second: from there on it counts as one that sheds

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


def figures(seconds: list[Second], request: float) -> tuple[float, ...]:
    """Return what an Outcome holds."""
    offered = sum(second.offered for second in seconds)
    wanted = [second.wanted for second in seconds]
    return (
        max(0.0, sum(second.shed for second in seconds) / offered),
        sum(second.shed > LOST * second.offered for second in seconds),
        max(second.ready for second in seconds),
        sum(wanted) * request / 3600,
        sum(second.cpu for second in seconds) / 3600,
        sum(a != b for a, b in zip(wanted, wanted[1:], strict=False)),
    )


def outcome(case: tuple[Shape, Choice]) -> Outcome:
    """Run one case with all seeds."""
    shape, choice = case
    many = [figures(run(shape, choice, seed), choice.request) for seed in range(SEEDS)]
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


def overview(outcomes: list[Outcome]) -> str:
    """Return one table of all, as Markdown: what is shed, and the core hours reserved."""
    shapes = [shape.name for shape in SHAPES]
    lines = [f"| | {' | '.join(shapes)} |", "|---" + "|---:" * len(shapes) + "|"]
    for choice in CHOICES:
        rows = {each.shape: each for each in outcomes if each.choice == choice.name}
        cells = [f"{rows[name].shed:.1%}, {rows[name].reserved:.3g} h" for name in shapes]
        lines.append(f"| {choice.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def drawn() -> dict[str, dict[str, list[Second]]]:
    """Return the runs that the picture shows, by load and settings."""
    return {
        shape.name: {each.name: run(shape, each, seed=0) for each in CHOICES if each.name in DRAWN}
        for shape in SHAPES
        if shape.high == 1_000_000 and shape.rise < 1000
    }


def main() -> None:
    """Print all tables, and write them with the validation and the picture."""
    pictures.available()
    head = results.head()
    compared = [compare(trial) for trial in read()]
    print("\n\n".join(map(str, compared)))
    for shape in SHAPES:
        curve(shape.handler)  # before the processes are forked
    with ProcessPoolExecutor() as processes:
        outcomes = list(processes.map(outcome, [(s, c) for s in SHAPES for c in CHOICES]))
    for shape in SHAPES:
        rows = [each for each in outcomes if each.shape == shape.name]
        print("\n" + table(shape.name, rows))
    print("\n" + overview(outcomes))
    result = {
        **head,
        "validation": [each.summary() for each in compared],
        "outcomes": [asdict(each) for each in outcomes],
    }
    results.write(results.RESULTS / "scaling.json", result)
    scaling_picture.draw(compared, drawn(), results.RESULTS / "scaling.png")


if __name__ == "__main__":
    main()
