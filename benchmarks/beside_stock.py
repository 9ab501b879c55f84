"""The README's picture: hellopod beside stock gunicorn, and beside the tutorial's one sync worker.

python -m benchmarks.beside_stock

The rate of `/`, as a share of stock gunicorn's in the same round; and what each keeps of its own
capacity at three times that, for a handler that computes for 6 ms and waits for 94. The servers
take turns, and the client is the one of the tests. Six minutes. The requests that are lost in a
rollout are those of the last `make bench`. Writes results/beside_stock.json and
docs/beside-stock.png.
"""

import json
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from . import beside_stock_picture, plotting, results, servers
from .admission import APP, OURS, STOCK, load
from .comparison import interleaved, spread
from .cores import available

NAMES = ("hellopod", "stock gunicorn, 16 threads", "the tutorial's, one sync worker")
CLIENTS = 16
# Short turns, and many: what disturbs the machine for a while disturbs all three.
ROUNDS, TURN = 20, 0.5
HANDLER, FACTOR = "c6+w94", 3
CURVES, CLOSED, OVERLOADED = 3, 3, 10  # rounds; seconds to find the capacity, and of overload
PATIENCE = {"closed": 30, "open": 1}  # seconds; a client of an open loop goes elsewhere then
RESULT = results.RESULTS / "beside_stock.json"
PICTURE = servers.HERE.parent / "docs/beside-stock.png"
FOR_SLASH = dict(zip(NAMES, (servers.HELLOPOD, servers.BARE, servers.TUTORIAL), strict=True))
SYNC = replace(OURS, name="sync", command="-m gunicorn --bind 127.0.0.1:{port}" + APP)
FOR_HANDLER = dict(zip(NAMES, (OURS, STOCK, SYNC), strict=True))


def served(port: int, path: str, mode: str, amount: float, seconds: float) -> float:
    """Return answers 200 a second of the load, in time for its clients."""
    outcomes = load(port, path, [mode, str(amount), str(seconds)], PATIENCE[mode])
    return float(outcomes.get("200", {"count": 0})["count"] / seconds)


def rates() -> dict[str, Any]:
    """Return the rate of `/` over kept connections, times that of stock gunicorn."""
    with ExitStack() as stack:
        ports = {
            name: stack.enter_context(servers.running(server)).port
            for name, server in FOR_SLASH.items()
        }
        for port in ports.values():
            served(port, "", "closed", CLIENTS, 1)
        turns = {
            name: lambda port=port: served(port, "", "closed", CLIENTS, TURN)
            for name, port in ports.items()
        }
        found = interleaved(turns, ROUNDS)
    stock = found[NAMES[1]]
    return {
        name: spread([one / other for one, other in zip(values, stock, strict=True)])
        for name, values in found.items()
    }


def goodput(server: servers.Server) -> float:
    """Return the share of its capacity that a server keeps in an overload."""
    with servers.running(server) as process:
        served(process.port, HANDLER, "closed", 2, 1)
        capacity = served(process.port, HANDLER, "closed", CLIENTS, CLOSED)
    with servers.running(server) as process:
        return served(process.port, HANDLER, "open", FACTOR * capacity, OVERLOADED) / capacity


def goodputs() -> dict[str, Any]:
    """Return that of each server."""
    turns = {name: lambda server=server: goodput(server) for name, server in FOR_HANDLER.items()}
    return {name: spread(values) for name, values in interleaved(turns, CURVES).items()}


def lost() -> dict[str, Any]:
    """Return requests lost in a rollout, of the last `make bench`; it has no stock gunicorn."""
    bench = json.loads((results.RESULTS / "bench.json").read_text())
    figures = ("median", "least", "most")
    found = {
        row["server"]: {each: row[each] for each in figures}
        for row in bench["rows"]
        if row["what"].startswith("failed requests in a rollout")
    }
    head = {each: bench[each] for each in ("date", "revision", "cpus")}
    return {**head, "servers": {NAMES[0]: found["hellopod"], NAMES[2]: found["tutorial"]}}


def main() -> None:
    """Measure, write, draw."""
    available()
    plotting.available()
    head = results.head()
    found = {
        "rate": {**head, "servers": rates()},
        "goodput": {**head, "servers": goodputs()},
        "lost": lost(),
    }
    results.write(RESULT, found)
    beside_stock_picture.draw(found, PICTURE)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
