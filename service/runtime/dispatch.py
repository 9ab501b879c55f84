"""Which request gets a thread, and when; which is refused, and which loses its thread again."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from service.runtime.admission import Admission, Verdict
from service.runtime.answers import Answers
from service.runtime.connection import Connection, Phase
from service.runtime.health import Health
from service.runtime.metrics import RuntimeMetrics
from service.runtime.serving import Serving
from service.runtime.uploads import Uploads

STALLED = 0.25  # seconds: a client that took more of a thread's time may lose it to another
# While requests queue, the event loop and the threads take turns: mixed, each system call of the
# one costs it the interpreter until another gives it up, and refusing cost six times as much. Since
# the threads' turn ends with the queue, the median at 1,000 `/` a second is 1.3 ms where it was 11.
TURN = 0.01  # seconds for the threads at most, several requests each; the event loop may be as late


class Dispatch(Serving):
    """Decides, in the event loop."""

    cfg: Any  # of ThreadWorker

    def init_dispatch(self) -> None:
        """Begin, in the worker's process."""
        config = self.config
        self.admission = Admission(
            config.concurrency, config.queue_length, config.queue_timeout, self.cfg.threads
        )
        self.answers = Answers(config.pod_name, config.conceal)
        self.health = Health(self)
        self.metrics = RuntimeMetrics(self)
        self.scrapes = ThreadPoolExecutor(1)
        self.uploads = Uploads(config.concurrency, config.queue_length, config.queue_timeout)

    def waiting(self) -> int:
        """How many requests wait for a slot."""
        return len(self.admission.waiting) + len(self.uploads.waiting)

    def take_turns(self) -> None:
        """Leave the interpreter to the threads for a while, then have it for the event loop."""
        if self.admission.waiting:
            self.admission.wait_until_empty(TURN)
        self.admission.paused = True
        try:
            self.turn()
        finally:
            self.admission.paused = False
        self.make_way()

    def on_request(self, connection: Connection) -> None:
        """Answer probes at once, refuse what does not fit, and let the rest run or wait."""
        whole = connection.frame.is_complete
        if connection.port is self.management:
            self.health.serve_management(connection)
            return
        if whole and self.health.serve_probe(connection):
            return
        connection.arrived = time.monotonic()
        self.main.move(connection, Phase.WAITING)  # before a thread can take it from the queue
        verdict = Verdict.RUN if whole else self.uploads.offer(connection, connection.arrived)
        if verdict is Verdict.RUN:
            if not self.admit(connection):
                self.let_upload_in(connection)
        elif verdict is Verdict.REFUSE:
            self.admission.count_refused("full")
            self.refuse(connection)
        else:
            self.main.watch(connection, 0)  # the rest of the body can wait too

    def admit(self, connection: Connection) -> bool:
        """Let a request run or wait, or refuse it; returns whether it stays."""
        verdict = self.admission.offer(connection, time.monotonic())
        if verdict is Verdict.RUN:
            self.start(connection)
        elif verdict is Verdict.REFUSE:
            self.guard(self.refuse, connection)
        return verdict is not Verdict.REFUSE

    def refuse(self, connection: Connection) -> None:
        """Say no without having parsed the request: 503."""
        keep = connection.is_reusable()
        self.answer(connection, self.answers.refusal(connection.buffer, close=not keep), keep)

    def on_slow_request(self, connection: Connection) -> None:
        """Answer 408."""
        self.metrics.cut.labels("request").inc()
        self.answer(connection, self.answers.timeout(connection.buffer), keep=False)

    def on_broken_request(self, connection: Connection) -> None:
        """Answer 400; gunicorn would have the app take half a body for a whole one."""
        answer = self.answers.problem(400, "The body is incomplete.", head=connection.buffer)
        self.answer(connection, answer, keep=False)

    def on_plain_request(self, connection: Connection) -> None:
        """Answer 400, as most servers do: somebody has forgotten the s of https."""
        answer = self.answers.problem(400, "This port speaks HTTPS.")
        self.answer(connection, answer, keep=False)

    def make_way(self) -> None:
        """Refuse those that waited too long, and free threads that clients keep for nothing."""
        now = time.monotonic()
        for connection in self.admission.take_expired(now):
            self.guard(self.refuse, connection)
            self.let_upload_in(connection)
        for connection in self.uploads.take_expired(now):
            self.admission.count_refused("timeout")
            self.guard(self.refuse, connection)
        if self.admission.out_of_threads():
            self.cut_stalled(now)
        while connection := self.admission.next(now):  # one that ran turned out to wait
            self.start(connection)

    def cut_stalled(self, now: float) -> None:
        """Take the thread of the client that has kept one waiting for longest in all.

        Not only of late: who sends a byte now and then is no better than who sends nothing.
        """
        active = [connection.sock for connection in list(self.main.held[Phase.ACTIVE])]
        socks = [sock for sock in active if sock.parked_at is not None]
        if not socks or any(sock.cut for sock in socks):
            return  # one that was cut is about to give its thread back
        slowest = max(socks, key=lambda sock: sock.kept_waiting(now))
        if slowest.kept_waiting(now) > STALLED:
            slowest.interrupt()

    def let_upload_in(self, connection: Connection) -> None:
        """Let the next upload begin if this was one."""
        while following := self.uploads.leave(connection):
            if self.admit(following):
                return
            connection = following

    def finish(self, connection: Connection) -> None:
        """Take a connection back from its thread."""
        self.let_upload_in(connection)
        if connection.keep and not connection.sock.cut:
            self.guard(self.follow, connection, connection.parser.unreader.take_buffered())
        else:
            self.guard(self.linger, connection)
