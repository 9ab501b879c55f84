"""All comparisons but those of minutes of overload: make bench

Prints a table and writes it, as JSON and as a picture, to benchmarks/results/.
"""

import json
import os
import time
from collections.abc import Callable, Sequence

from tests.e2e.kustomization import revision

from . import (
    bench_picture,
    image,
    latency,
    memory,
    oha,
    plotting,
    rollout,
    scrape_growth,
    start,
    throughput,
    wrk,
)
from .comparison import Comparison, markdown
from .environments import HERE

RESULTS = HERE / "results"
REQUESTS = 200_000  # before a scrape: a million, the default of scrape_growth, take ten minutes
PARTS: Sequence[Callable[[], list[Comparison]]] = (
    throughput.measure,
    latency.measure,
    start.measure,
    lambda: scrape_growth.measure(REQUESTS),
    memory.measure,
    image.measure,
    rollout.measure,
)


def main() -> None:
    """Measure, print and write; the parts that lack Docker or kind say so and are left out."""
    for needed in (plotting, wrk, oha):
        needed.available()
    head = {"date": time.strftime("%Y-%m-%d"), "revision": revision(), "cpus": os.cpu_count()}
    found: list[Comparison] = []
    for part in PARTS:
        for comparison in part():
            print(comparison.table(), flush=True)
            found.append(comparison)
        write(head, found)  # after each part: the next may fail
    print(markdown([row for comparison in found for row in comparison.rows()]))


def write(head: dict[str, object], found: Sequence[Comparison]) -> None:
    RESULTS.mkdir(exist_ok=True)
    rows = [row for comparison in found for row in comparison.rows()]
    (RESULTS / "bench.json").write_text(json.dumps({**head, "rows": rows}, indent=1) + "\n")
    bench_picture.draw(found, RESULTS / "bench.png")


if __name__ == "__main__":
    main()
