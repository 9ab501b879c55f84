"""An HTTP load client: python -m tests.runtime.load PORT PATH open RATE SECONDS [new|keep]
                     or python -m tests.runtime.load PORT PATH closed CLIENTS SECONDS [new|keep].

Open: requests start at fixed moments whatever becomes of the earlier ones; closed: each client
waits for its answer. A request without an answer after TIMEOUT is a timeout. Prints one JSON
object.
"""

import asyncio
import json
import os
import sys
from collections import defaultdict

TIMEOUT = float(os.environ.get("CLIENT_TIMEOUT", "1"))  # seconds


class Client(asyncio.Protocol):
    """One connection; ask() sends a request and returns the status, or what went wrong."""

    def __init__(self):
        self.answer = None
        self.open = False

    def connection_made(self, transport):
        self.transport = transport
        self.open = True

    def connection_lost(self, error):
        self.open = False
        self.settle("reset" if error else "closed")

    def data_received(self, data):
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        head = head.lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) >= length:
            if b"connection: close" in head:
                self.open = False
                self.transport.close()
            self.settle(int(head[9:12]))

    def settle(self, outcome):
        if self.answer and not self.answer.done():
            self.answer.set_result(outcome)

    async def ask(self, request):
        self.buffer = b""
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.answer


class Load:
    def __init__(self, port, path, keep):
        self.port = port
        self.keep = keep
        connection = "keep-alive" if keep else "close"
        self.request = (
            f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: {connection}\r\n\r\n".encode()
        )
        self.idle = []
        self.seconds = defaultdict(list)

    async def one(self):
        loop = asyncio.get_running_loop()
        started = loop.time()
        client = None
        try:
            async with asyncio.timeout(TIMEOUT):
                while self.idle and client is None:
                    client = self.idle.pop()
                    client = client if client.open else None
                if client is None:
                    _, client = await loop.create_connection(Client, "127.0.0.1", self.port)
                outcome = await client.ask(self.request)
        except TimeoutError:
            outcome = "timeout"
        except OSError as error:
            outcome = type(error).__name__
        self.seconds[str(outcome)].append(loop.time() - started)
        if client and client.open:
            if self.keep and isinstance(outcome, int):
                self.idle.append(client)
            else:
                client.transport.abort() if outcome == "timeout" else client.transport.close()
        return outcome

    async def open_loop(self, rate, seconds):
        loop = asyncio.get_running_loop()
        start = loop.time()
        tasks = set()
        for number in range(int(rate * seconds)):
            if (pause := start + number / rate - loop.time()) > 0:
                await asyncio.sleep(pause)
            task = loop.create_task(self.one())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        lag = loop.time() - start - seconds
        await asyncio.gather(*tasks)
        return seconds + max(0, lag)

    async def closed_loop(self, clients, seconds):
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds

        async def client():
            while loop.time() < end:
                if await self.one() == 503:
                    await asyncio.sleep(0.1)  # it was asked to; less would be a flood

        await asyncio.gather(*(client() for _ in range(int(clients))))
        return seconds


def percentile(values, share):
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 4)


def main(port, path, mode, amount, seconds, connections="keep"):
    load = Load(int(port), path, connections == "keep")
    run = load.open_loop if mode == "open" else load.closed_loop
    took = asyncio.run(run(float(amount), float(seconds)))
    print(
        json.dumps(
            {
                "seconds": round(took, 2),
                "outcomes": {
                    outcome: {
                        "count": len(values),
                        "rate": round(len(values) / took, 2),
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
