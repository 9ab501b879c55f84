"""All comparisons but those of minutes of overload: make bench

Shows how far it is, then prints one table, and writes it to benchmarks/results/bench.json. A goal
that is missed is a result, not an error: the exit code is 0.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from . import image, results, rollout, scrape, start, throughput
from .comparison import Comparison, rows
from .processes import check_cores

REQUESTS = 50_000  # before a scrape; benchmarks.scrape has a million
# Seconds that a part takes on two cores, for the bar; then the part.
PARTS: Sequence[tuple[str, float, Callable[[], Iterable[Comparison]]]] = (
    ("throughput", 150, throughput.measure),
    ("latency", 95, throughput.latency),
    ("starts", 45, start.measure),
    ("scrapes", 170, lambda: scrape.measure(REQUESTS)),
    ("images", 120, image.measure),
    ("rollouts on kind", 250, rollout.measure),
)
WIDTH = 30


def bar(done: float, began: float, what: str) -> str:
    """Return the bar of a share that is done."""
    filled, seconds = round(WIDTH * done), time.monotonic() - began
    marks = "#" * filled + "-" * (WIDTH - filled)
    return f"[{marks}] {done:4.0%} {seconds // 60:.0f}:{seconds % 60:02.0f} {what}"


def draw(number: int, began: float, ended: threading.Event) -> None:
    """Keep the bar of a part moving on a terminal; elsewhere print one line."""
    what, expected, _ = PARTS[number]
    before, whole = (sum(part[1] for part in parts) for parts in (PARTS[:number], PARTS))
    terminal, start = sys.stderr.isatty(), time.monotonic()
    while not ended.is_set():
        done = (before + min(time.monotonic() - start, expected)) / whole
        end = "\x1b[K\r" if terminal else "\n"
        print(bar(done, began, what), end=end, file=sys.stderr, flush=True)
        ended.wait(1 if terminal else None)


def main() -> None:
    """Measure, print and write; the parts that lack Docker or kind say so and are left out."""
    check_cores()
    head, began = results.head(), time.monotonic()
    found: list[Comparison] = []
    for number, (_, _, part) in enumerate(PARTS):
        ended = threading.Event()
        with ThreadPoolExecutor() as threads:
            threads.submit(draw, number, began, ended)
            try:
                found.extend(part())
            finally:
                ended.set()
        seconds = round(time.monotonic() - began)
        # At once: the next part may fail.
        result = {**head, "seconds": seconds, "rows": rows(found)}
        results.write(results.RESULTS / "bench.json", result)
    print(bar(1, began, "done"), file=sys.stderr)
    print(results.table(rows(found)))


if __name__ == "__main__":
    main()
