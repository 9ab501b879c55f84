"""Which request gets a thread, and when; which is refused, and which loses its thread again."""

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from service.runtime.admission import Admission, Verdict
from service.runtime.answers import Answers
from service.runtime.connection import Connection, Phase
from service.runtime.health import Health
from service.runtime.loop import EventLoop
from service.runtime.metrics import RuntimeMetrics

STALLED = 0.25  # seconds: a client that moved nothing for this long may lose its thread to another


class Dispatch(EventLoop):
    """Between the event loop and the threads. Methods say if they run in a thread of the pool."""

    # Of ThreadWorker and of the worker itself
    cfg: Any
    tpool: ThreadPoolExecutor
    method_queue: Any
    handle: Any
    handle_error: Any
    closing: Any

    def init_dispatch(self) -> None:
        """Begin, in the worker's process."""
        config = self.config
        self.admission = Admission(
            config.concurrency, config.queue_length, config.queue_timeout, self.cfg.threads
        )
        self.answers = Answers(config.pod_name)
        self.health = Health(self)
        self.metrics = RuntimeMetrics(self)
        self.scrapes = ThreadPoolExecutor(1)
        # Uploads that do not fit a buffer need a thread to wait in. Those beyond as many as there
        # are slots are held until one of them is done, or their time is up.
        self.uploads: set[Connection] = set()
        self.held: deque[Connection] = deque()

    def on_request(self, connection: Connection) -> None:
        """Answer probes at once, refuse what does not fit, and let the rest run or wait."""
        whole = connection.frame.is_complete
        if connection.port is self.management:
            self.health.serve_management(connection)
            return
        if whole and self.health.serve_probe(connection):
            return
        if not whole and len(self.uploads) >= self.config.concurrency:
            self.main.watch(connection, 0)
            self.held.append(connection)
            return
        now = connection.arrived = time.monotonic()
        self.main.move(connection, Phase.WAITING)  # before a thread can take it from the queue
        verdict = self.admission.offer(connection, now)
        if verdict is Verdict.REFUSE:
            self.refuse(connection)
            return
        if not whole:
            self.uploads.add(connection)
        if verdict is Verdict.RUN:
            self.start(connection)

    def refuse(self, connection: Connection) -> None:
        """Say no without having parsed the request: 503."""
        keep = connection.is_reusable() and not self.closing()
        self.answer(connection, self.answers.refusal(connection.buffer, close=not keep), keep)

    def on_slow_request(self, connection: Connection) -> None:
        """Answer 408."""
        self.metrics.cut["request"] += 1
        self.answer(connection, self.answers.timeout(connection.buffer), keep=False)

    def on_broken_request(self, connection: Connection) -> None:
        """Answer 400; gunicorn would have the app take half a body for a whole one."""
        answer = self.answers.problem(400, "The body is incomplete.", head=connection.buffer)
        self.answer(connection, answer, keep=False)

    def make_way(self) -> None:
        """Refuse those that waited too long, and free threads that clients keep for nothing."""
        now = time.monotonic()
        for connection in self.admission.take_expired(now):
            self.let_upload_in(connection)
            self.guard(self.refuse, connection)
        if self.admission.out_of_threads():
            self.cut_stalled(now)
        while connection := self.admission.next(now):  # one that ran turned out to wait
            self.start(connection)

    def cut_stalled(self, now: float) -> None:
        """Take the thread of the client that has kept one waiting for longest."""
        parked = [
            (sock.parked_at, sock)
            for sock in (c.sock for c in list(self.main.held[Phase.ACTIVE]))
            if sock.parked_at is not None
        ]
        if not parked or any(sock.cut for _, sock in parked):
            return  # one that was cut is about to give its thread back
        since, sock = min(parked, key=lambda entry: entry[0])
        if since < now - STALLED:
            sock.interrupt()

    def let_upload_in(self, connection: Connection) -> None:
        """Let the next upload begin if this was one."""
        if connection not in self.uploads:
            return
        self.uploads.remove(connection)
        while self.held and len(self.uploads) < self.config.concurrency:
            following = self.held.popleft()
            if following.phase is Phase.READING:
                self.guard(self.on_request, following)

    def start(self, connection: Connection) -> None:
        """Give a connection that has a slot a thread. Any thread may call this."""
        self.activate(connection)
        self.tpool.submit(self.serve, connection)

    def activate(self, connection: Connection) -> None:
        """Note that a connection has a slot. Any thread may call this."""
        self.main.move(connection, Phase.ACTIVE)
        connection.sock.start(connection.since)

    def serve(self, connection: Connection | None) -> None:
        """Serve one request, then those that wait, for as long as there is a slot. In the pool."""
        while connection is not None:
            following = None
            started = time.monotonic()
            connection.keep = False
            try:
                connection.meter.begin()
                connection.hand_to_parser()
                connection.keep = self.handle(connection)
            except BaseException as error:  # SystemExit too: no request may end the worker
                self.handle_error(None, connection.sock, connection.client, error)
            finally:
                done = time.monotonic()
                self.metrics.observe(started - connection.arrived, done - connection.arrived)
                following = self.admission.leave(connection, done)
                connection.meter.end()
                if following is not None:
                    self.activate(following)
                self.method_queue.defer(self.finish, connection)
            connection = following

    def park(self, connection: Connection) -> None:
        """Let somebody else run while a client keeps this thread waiting. In the pool."""
        if following := self.admission.park(connection, time.monotonic()):
            self.start(following)

    def finish(self, connection: Connection) -> None:
        """Take a connection back from its thread."""
        self.let_upload_in(connection)
        if connection.keep and not connection.sock.cut:
            self.guard(self.reuse, connection, connection.parser.unreader.take_buffered())
        else:
            self.guard(self.linger, connection)
