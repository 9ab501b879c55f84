"""The README's picture: hellopod beside stock gunicorn, and beside the tutorial's one sync worker.

python -m benchmarks.beside_stock

The rate of `/`, as a share of stock gunicorn's in the same round; and what each keeps of its own
capacity at three times that, for a handler that computes for 6 ms and waits for 94. The servers
take turns, and the client is the one of the tests. Six minutes. The requests that are lost in a
rollout are those of the last `make bench`. Writes results/beside_stock.json and
docs/beside-stock.png.
"""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from . import load, pictures, results, servers, throughput
from .admission import OURS, STOCK
from .comparison import interleaved
from .processes import Server, check_cores, running
from .results import spread

NAMES = ("hellopod", "stock gunicorn, 16 threads", "the tutorial's, one sync worker")
CLIENTS = 16
HANDLER, FACTOR = "/c6+w94", 3
CURVES, CLOSED, OVERLOADED = 3, 3, 10  # rounds; seconds to find the capacity, and of overload
FOR_SLASH = dict(zip(NAMES, (servers.HELLOPOD, servers.BARE, servers.TUTORIAL), strict=True))
FOR_HANDLER = dict(zip(NAMES, (OURS, STOCK, servers.with_steps(servers.TUTORIAL)), strict=True))


def served(client: Callable[..., load.Answers], url: str, amount: float, seconds: float) -> float:
    """Return answers 200 a second of the load, in time for its clients."""
    return client(url, amount, seconds).get("count") / seconds


def rates() -> dict[str, Any]:
    """Return the rate of `/` over kept connections, times that of stock gunicorn."""
    found = list(throughput.rates("/", FOR_SLASH.values()).values())
    return {
        name: spread([one / other for one, other in zip(values, found[1], strict=True)])
        for name, values in zip(NAMES, found, strict=True)
    }


def goodput(server: Server) -> float:
    """Return the share of its capacity that a server keeps in an overload."""
    with running(server) as process:
        load.closed(process.url + HANDLER, 2, 1)
        capacity = served(load.closed, process.url + HANDLER, CLIENTS, CLOSED)
    with running(server) as process:
        url = process.url + HANDLER
        return served(load.rate, url, FACTOR * capacity, OVERLOADED) / capacity


def goodputs() -> dict[str, Any]:
    """Return that of each server."""
    turns = {name: partial(goodput, server) for name, server in FOR_HANDLER.items()}
    return {name: spread(values) for name, values in interleaved(turns, CURVES).items()}


def lost() -> dict[str, Any]:
    """Return requests lost in a rollout, of the last `make bench`."""
    bench = results.read("bench")
    rows = [row for row in bench["rows"] if row["what"].startswith("failed requests in a rollout")]
    names = {server.name: name for name, server in FOR_SLASH.items()}
    found = {names[row["server"]]: {each: row[each] for each in pictures.SPREAD} for row in rows}
    head = {each: bench.get("rollouts", bench)[each] for each in ("date", "revision", "cpus")}
    return {**head, "servers": found}


def main() -> None:
    """Measure, write, draw."""
    check_cores()
    pictures.available()
    head = results.head()
    found = {
        "rate": {**head, "servers": rates()},
        "goodput": {**head, "servers": goodputs()},
        "lost": lost(),
    }
    results.write(results.RESULTS / "beside_stock.json", found)
    pictures.beside_stock(found, pictures.DOCS / "beside-stock.png")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
