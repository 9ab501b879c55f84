"""All comparisons but those of minutes of overload: make bench

Shows how far it is, then prints one table; writes it, as JSON and as a picture, to
benchmarks/results/. A goal that is missed is a result, not an error: the exit code is 0.
"""

import sys
import time
from collections.abc import Callable, Iterable, Sequence

from . import cores, image, pictures, results, rollout, scrape_growth, start, throughput
from .comparison import Comparison, markdown

REQUESTS = 50_000  # before a scrape; make soak has a million, for which this has not the time
PARTS: Sequence[tuple[str, Callable[[], Iterable[Comparison]]]] = (
    ("throughput", throughput.measure),
    ("latency", throughput.latency),
    ("starts", start.measure),
    ("scrapes", lambda: scrape_growth.measure(REQUESTS)),
    ("memory", image.memory),
    ("images", image.measure),
    ("rollouts on kind", rollout.measure),
)


def progress(done: int, what: str, seconds: float) -> None:
    """Say on stderr which part is next."""
    bar = "#" * done + "-" * (len(PARTS) - done)
    print(f"[{bar}] {seconds // 60:2.0f}:{seconds % 60:02.0f} {what}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print and write; the parts that lack Docker or kind say so and are left out."""
    for needed in (pictures, cores):
        needed.available()
    head, began = results.head(), time.monotonic()
    found: list[Comparison] = []
    for number, (what, part) in enumerate(PARTS):
        progress(number, what, time.monotonic() - began)
        for comparison in part():
            found.append(comparison)
            rows = [row for each in found for row in each.rows()]
            # At once: the next may fail.
            result = {**head, "seconds": round(time.monotonic() - began), "rows": rows}
            results.write(results.RESULTS / "bench.json", result)
        pictures.comparisons(found, results.RESULTS / "bench.png")
    progress(len(PARTS), "done", time.monotonic() - began)
    print(markdown(rows))


if __name__ == "__main__":
    main()
