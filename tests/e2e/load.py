"""A load generator: python -c "$(cat load.py)" PLAN, in a pod. Standard library only.

PLAN is a JSON object: host, port, seconds (at most), timeout (of a request) and streams.
A stream may have a host and a port of its own, and as `authority` the Host header where that is
another.
A stream sends its `requests` ([method, path] in turn) by one of two rules:
  rate N       open loop: N a second start on time, whatever becomes of the earlier ones;
  clients N    closed loop: N clients wait for an answer, then send the next request.
With `pool` N it rotates N keep-alive connections, else each request has a connection of its own. No
request is ever sent a second time. {random} in a path is another word each time. CHAOS_TOKEN in the
environment goes with each. SIGTERM ends the load early, after what is in flight. Prints a line when
the first answer is there, and one with what happened.
"""

import asyncio
import json
import os
import secrets
import signal
import sys
import time
from collections import Counter, defaultdict, deque

BODY = b'{"from": "the load generator"}' * 8  # of a POST; arrives in one segment
LATE = 0.5  # seconds behind its schedule; a request that is sent later tells nothing
BEHIND = 0.1  # seconds; when it was more is told: the service may have had no CPU either
EXAMPLES = 5  # of each way to fail are described, the first ones


class Failure(Exception):
    """What went wrong with a request, in a few words."""


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self):
        self.answer = None
        self.reusable = False
        self.served = 0
        self.pod = ""

    def connection_made(self, transport):
        self.transport = transport
        self.reusable = True

    def connection_lost(self, error):
        self.reusable = False
        if self.answer and not self.answer.done():
            how = f"{type(error).__name__}" if error else "closed"
            age = "fresh" if not self.served else "reused"
            stage = "in the middle of an answer" if self.buffer else "without an answer"
            self.answer.set_exception(Failure(f"{how} {stage} ({age} connection)"))

    def data_received(self, data):
        if not self.answer or self.answer.done():
            self.transport.abort()  # nobody asked
            return
        self.buffer += data
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return
        status, *lines = head.decode("latin-1").split("\r\n")
        fields = {name.lower(): text for name, _, text in (line.partition(": ") for line in lines)}
        self.pod = fields.get("x-pod-name", self.pod)
        if len(body) < int(fields.get("content-length", 0)):
            return
        self.served += 1
        if fields.get("connection", "").lower() == "close":
            self.reusable = False
            self.transport.close()
        self.answer.set_result((int(status.split()[1]), fields))

    async def ask(self, request):
        self.buffer = b""
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.answer


class Stream:
    """Sends one kind of traffic and counts what becomes of it."""

    def __init__(self, plan, spec, started):
        self.plan = plan
        self.spec = spec
        self.started = started
        self.pool = deque()
        self.open = 0  # connections that belong to the pool
        keep = "keep-alive" if spec.get("pool") else "close"
        self.address = spec.get("host", plan["host"]), spec.get("port", plan["port"])
        fields = {"Host": spec.get("authority", self.address[0]), "Connection": keep}
        if token := os.environ.get("CHAOS_TOKEN"):
            fields["Authorization"] = f"Bearer {token}"
        self.head = "".join(f"{name}: {text}\r\n" for name, text in fields.items())
        self.number = 0
        self.latencies = defaultdict(list)
        self.per_second = defaultdict(Counter)
        self.late = []
        self.behind = defaultdict(float)  # by second, the worst of it
        self.examples = []

    async def run(self, stop):
        await (self.open_loop(stop) if "rate" in self.spec else self.closed_loop(stop))

    async def open_loop(self, stop):
        tasks = set()
        number = 0
        while not stop():
            due = self.started + number / self.spec["rate"]
            if (pause := due - time.monotonic()) > 0:
                await asyncio.sleep(min(pause, 0.5))
                if pause > 0.5:
                    continue  # to look whether it is time to stop
            number += 1
            now = time.monotonic()
            self.late.append(delay := max(0.0, now - due))
            second = int(now - self.started)
            self.behind[second] = max(delay, self.behind[second])
            tasks.add(task := asyncio.create_task(self.one()))
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)

    async def closed_loop(self, stop):
        async def client():
            while not stop():
                await self.one()

        await asyncio.gather(*(client() for _ in range(self.spec["clients"])))

    def request(self):
        """Return the next request and how it is called in the examples."""
        method, path = self.spec["requests"][self.number % len(self.spec["requests"])]
        path = path.replace("{random}", secrets.token_hex(8))
        self.number += 1
        body = BODY if method == "POST" else b""
        kind = "Content-Type: application/json\r\n" if body else ""
        head = f"{method} {path} HTTP/1.1\r\n{self.head}{kind}Content-Length: {len(body)}\r\n\r\n"
        return head.encode() + body, f"{method} {path}"

    async def connect(self):
        """Take the connection that has been idle for longest, once there are enough of them."""
        while self.pool and self.open >= self.spec["pool"]:
            connection = self.pool.popleft()
            if connection.reusable:
                return connection
            self.open -= 1
        loop = asyncio.get_running_loop()
        self.open += 1
        try:
            _, connection = await loop.create_connection(Connection, *self.address)
        except OSError as error:
            raise Failure(f"{type(error).__name__} when connecting") from None
        return connection

    async def one(self):
        request, name = self.request()
        begin = time.monotonic()
        connection = None
        try:
            async with asyncio.timeout(self.plan["timeout"]):
                connection = await self.connect()
                outcome = label(*await connection.ask(request))
        except TimeoutError:
            outcome = "timeout" if connection else "timeout when connecting"
        except Failure as failure:
            outcome = str(failure)
        end = time.monotonic()
        self.latencies[outcome].append(end - begin)
        self.per_second[int(end - self.started)][outcome] += 1
        if outcome != "2xx" and len(self.latencies[outcome]) <= EXAMPLES:
            pod = connection.pod if connection else ""
            moment = time.strftime("%H:%M:%S", time.gmtime())
            self.examples.append(f"{moment} {name}: {outcome} after {end - begin:.3f} s, {pod}")
        self.put_back(connection, outcome)

    def put_back(self, connection, outcome):
        if (
            connection
            and connection.reusable
            and self.spec.get("pool")
            and "timeout" not in outcome
        ):
            self.pool.append(connection)
            return
        self.open -= 1
        if connection:
            # Without this a client that gave up would go on waiting.
            connection.transport.abort() if "timeout" in outcome else connection.transport.close()

    def summary(self):
        late = sorted(self.late) or [0.0]
        return {
            **{key: value for key, value in self.spec.items() if key != "requests"},
            "sent": self.number,
            "outcomes": {name: figures(values) for name, values in self.latencies.items()},
            "per_second": {second: self.per_second[second] for second in sorted(self.per_second)},
            "behind": {s: round(worst, 2) for s, worst in self.behind.items() if worst > BEHIND},
            "late": sum(value > LATE for value in late),
            "latest": round(late[-1], 3),
            "examples": self.examples,
        }


def label(status, fields):
    if 200 <= status < 300:
        return "2xx"
    problem = fields.get("content-type") == "application/problem+json"
    if status == 503 and "retry-after" in fields and problem:
        return "shed"
    return f"status {status}"


def figures(values):
    """Return count and latencies in seconds."""
    values.sort()
    shares = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    picked = {
        k: round(values[min(len(values) - 1, int(len(values) * s))], 4) for k, s in shares.items()
    }
    return {"count": len(values), **picked}


async def main(plan):
    stopped = False

    def stop():
        return stopped or time.monotonic() >= started + plan["seconds"]

    def on_term():
        nonlocal stopped
        stopped = True

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, on_term)
    began, started = time.time(), time.monotonic()
    streams = [Stream(plan, spec, started) for spec in plan["streams"]]
    running = asyncio.gather(*(stream.run(stop) for stream in streams))
    while not stop() and not any(stream.latencies.get("2xx") for stream in streams):
        await asyncio.sleep(0.05)
    print("started", flush=True)
    while not stop():
        await asyncio.sleep(0.1)
    seconds = time.monotonic() - started
    await running
    cpu = round(time.process_time() / (time.monotonic() - started), 2)
    summaries = [stream.summary() for stream in streams]
    times = {"began": round(began, 2), "seconds": round(seconds, 2), "cpu": cpu}
    print(json.dumps({**times, "streams": summaries}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
