"""An HTTP load client: python -m tests.runtime.load PORT PATH open RATE SECONDS [new|keep]
                     or python -m tests.runtime.load PORT PATH closed CLIENTS SECONDS [new|keep]
                     or python -m tests.runtime.load PORT PATH number CLIENTS REQUESTS [new|keep].

Asks GET of the path, of several by their weights (/1:slow,3:fast), POST with the JSON that
REQUEST_BODY is, or whatever REQUEST_FILE holds. Open: requests start at fixed moments whatever
becomes of the earlier ones; closed: each client waits for its answer; number: so do they, until
there are so many answers. A request without an answer after TIMEOUT is a timeout. Prints one JSON
object. A rate is that from the start to the last such outcome. That may be after SECONDS. Lateness
is the 99th percentile of how long after its moment a request was sent: what a stall of the machine
does to any latency.

On selectors: with asyncio's connections, 1500 new ones a second took a core, and the latencies were
the client's own.
"""

import heapq
import json
import os
import random
import resource
import socket
import sys
import time
from collections import defaultdict
from itertools import takewhile
from pathlib import Path
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector

TIMEOUT = float(os.environ.get("CLIENT_TIMEOUT", "1"))  # seconds
# Connections at once. Requests beyond wait for one, and are sent late.
MOST = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 50
PAUSE = 0.1  # seconds until a client that was refused asks again; less would be a flood


class Client:
    """A connection with at most one request under way."""

    def __init__(self, port):
        self.request = b""
        self.out = b""  # what is yet to be sent of it
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.connect_ex(("127.0.0.1", port))

    def step(self, events):
        """Go on; returns the outcome and whether the connection stays, or None if it is open."""
        try:
            return self.receive() if events & EVENT_READ else self.send()
        except ConnectionResetError:
            return "reset", False
        except OSError as error:
            return type(error).__name__, False

    def send(self):
        self.out = self.out or memoryview(self.request)
        self.out = self.out[self.sock.send(self.out) :]  # a large one takes several turns
        self.answer = b""

    def receive(self):
        data = self.sock.recv(65536)
        if not data:
            return "closed", False
        self.answer += data
        head, found, body = self.answer.partition(b"\r\n\r\n")
        head = head.lower()
        length = head.partition(b"content-length: ")[2].split(b"\r\n")[0]  # 204 has none
        if not found or len(body) < int(length or 0):
            return None
        return int(head[9:12]), b"connection: close" not in head


class Load:
    def __init__(self, port, path, keep):
        self.port = port
        self.keep = keep
        head = f"HTTP/1.1\r\nHost: a\r\nConnection: {'keep-alive' if keep else 'close'}\r\n\r\n"
        # One path may have a colon in it.
        routes = [route.rpartition(":") for route in path[1:].split(",")] if "," in path else []
        self.random = random.Random(1)  # noqa: S311 - the same draws for all servers
        self.weights = [float(weight) for weight, _, _ in routes] or [1]
        paths = [f"/{path}" for _, _, path in routes] or [path]
        file, body = map(os.environ.get, ("REQUEST_FILE", "REQUEST_BODY"))
        self.requests = [f"GET {path} {head}".encode() for path in paths]
        if body:
            kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            fields = head.replace("\r\n", f"\r\n{kind}", 1)
            self.requests = [f"POST {path} {fields}{body}".encode() for path in paths]
        if file:
            self.requests, self.weights = [Path(file).read_bytes()], [1]
        self.selector = DefaultSelector()
        self.busy = {}  # client: moment of its request, oldest first
        self.idle = []
        self.seconds = defaultdict(list)  # by outcome
        self.last = {}  # moment of the latest, by outcome
        self.late = []  # seconds

    def run(self, mode, amount, limit):
        """Return the seconds until the last of each outcome."""
        start = time.monotonic()
        if mode == "open":
            due = [start + number / amount for number in range(int(amount * limit))]
        else:
            due = [start] * int(min(amount, limit) if mode == "number" else amount)
        while due or self.busy:
            while due and due[0] <= time.monotonic() and len(self.busy) < MOST:
                self.late.append(time.monotonic() - heapq.heappop(due))
                self.ask()
            for outcome in self.wait(due if len(self.busy) < MOST else []):
                again = time.monotonic() + PAUSE * (outcome == 503)
                more = (
                    len(self.late) + len(due) < limit if mode == "number" else again < start + limit
                )
                if mode != "open" and more:
                    heapq.heappush(due, again)
        return {outcome: last - start for outcome, last in self.last.items()}

    def ask(self):
        if self.idle:
            client = self.idle.pop()
            self.selector.modify(client.sock, EVENT_WRITE, client)
        else:
            client = Client(self.port)
            self.selector.register(client.sock, EVENT_WRITE, client)
        client.request = self.random.choices(self.requests, self.weights)[0]
        self.busy[client] = time.monotonic()

    def wait(self, due):
        """Wait until a request is due or something happened; yield the outcomes."""
        ends = next(iter(self.busy.values()), float("inf")) + TIMEOUT
        pause = min([ends, *due[:1]]) - time.monotonic()
        for key, events in self.selector.select(max(0, pause)):
            if found := key.data.step(events & key.events):
                yield from self.settle(key.data, *found)
            elif key.events == EVENT_WRITE and not key.data.out:
                self.selector.modify(key.fileobj, EVENT_READ, key.data)
        expired = time.monotonic() - TIMEOUT
        for client, _ in list(takewhile(lambda item: item[1] <= expired, self.busy.items())):
            yield from self.settle(client, "timeout", False)

    def settle(self, client, outcome, stays):
        now = time.monotonic()
        if client in self.busy:
            self.seconds[str(outcome)].append(now - self.busy.pop(client))
            self.last[str(outcome)] = now
            yield outcome
        else:  # the server closes what it does not need
            self.idle.remove(client)
        if stays and self.keep:
            self.idle.append(client)
        else:
            self.selector.unregister(client.sock)
            client.sock.close()


def percentile(values, share):
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 4)


def main(port, path, mode, amount, limit, connections="keep"):
    load = Load(int(port), path, connections == "keep")
    took = load.run(mode, float(amount), float(limit))
    print(
        json.dumps(
            {
                "seconds": round(max(took.values()), 2),
                "lateness": percentile(load.late, 0.99),
                "outcomes": {
                    outcome: {
                        "count": len(values),
                        "rate": round(len(values) / took[outcome], 2),
                        **{f"p{p}": percentile(values, p / 100) for p in (50, 99)},
                        "max": round(max(values), 4),
                    }
                    for outcome, values in load.seconds.items()
                },
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
