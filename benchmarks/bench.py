"""All comparisons but those of minutes of overload: make bench

Prints a table and writes it, as JSON and as a picture, to benchmarks/results/. A goal that is
missed is a result, not an error: the exit code is 0.
"""

import time
from collections.abc import Callable, Iterable, Sequence

from . import (
    bench_picture,
    cores,
    image,
    latency,
    memory,
    oha,
    plotting,
    results,
    rollout,
    scrape_growth,
    start,
    throughput,
    wrk,
)
from .comparison import Comparison, markdown

REQUESTS = 50_000  # before a scrape; make soak has a million, for which this has not the time
PARTS: Sequence[Callable[[], Iterable[Comparison]]] = (
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
    for needed in (plotting, wrk, oha, cores):
        needed.available()
    head, began = results.head(), time.monotonic()
    found: list[Comparison] = []
    for part in PARTS:
        for comparison in part():
            print(comparison.table(), flush=True)
            found.append(comparison)
            rows = [row for each in found for row in each.rows()]
            # At once: the next may fail.
            result = {**head, "seconds": round(time.monotonic() - began), "rows": rows}
            results.write(results.RESULTS / "bench.json", result)
        bench_picture.draw(found, results.RESULTS / "bench.png")
    print(markdown(rows))


if __name__ == "__main__":
    main()
