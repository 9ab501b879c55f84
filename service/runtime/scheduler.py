"""What becomes of a request that has arrived: probe, run, wait or refuse."""

import selectors
import time
from collections import deque
from functools import partial

from service.runtime.admission import REFUSE, RUN, WAIT, Admission
from service.runtime.client import Client
from service.runtime.connection import WAITING, Connection
from service.runtime.exchange import Exchange
from service.runtime.management import Management
from service.runtime.pool import Pool
from service.runtime.uploads import Uploads

# Probes of the service's port a second: more than any kubelet and load balancers ask. Beyond that
# they wait, or a flood of them would have the interpreter before all others.
PROBES = 200
BURST = 0.1  # seconds: of so long may those come at once
STALLED = 0.25  # seconds: a client that took more of a thread's time may lose it to another


class Scheduler:
    """Decides, in the event loop."""

    pool: Pool

    def __init__(
        self,
        admission: Admission,
        uploads: Uploads,
        exchange: Exchange,
        management: Management,
    ) -> None:
        self.admission = admission
        self.uploads = uploads
        self.exchange = exchange
        self.management = management
        self.probes: deque[Connection] = deque()  # that wait for their turn
        self._next_probe = 0.0  # when it is

    def waiting(self) -> int:
        """How many requests wait for a slot, or for a place among the uploads."""
        return len(self.admission.waiting) + len(self.uploads.waiting)

    def on_request(self, connection: Connection) -> None:
        """Answer probes at once, refuse what does not fit, and let the rest run or wait."""
        error = connection.error
        if connection.port is self.management.port:
            self.management.serve(connection)
        elif connection.phase is WAITING:
            self._go_on_waiting(connection)
        elif self.management.health.is_probe(connection.request) and (
            connection.is_whole
            # Nothing but the chunks of its body is wrong, and a probe needs none.
            or error is connection.body.error is not None
        ):
            connection.port.move(connection, WAITING)
            self.probes.append(connection)
            self._answer_probes()
        elif error:
            self.exchange.reject(connection)
        elif connection.is_whole or self._begin_upload(connection):
            self.admit(connection)

    def _answer_probes(self) -> None:
        """Answer those whose turn it is."""
        now = time.monotonic()
        while self.probes and self._next_probe <= now:
            self._next_probe = max(self._next_probe + 1 / PROBES, now - BURST)
            self.exchange.guard(self.management.answer_probe, self.probes.popleft())

    def admit(self, connection: Connection) -> None:
        """Let a request run or wait, or refuse it."""
        verdict = self.admission.offer(connection, time.monotonic())
        if verdict is REFUSE:
            self.refuse(connection)
        elif verdict is RUN:
            self.pool.start(connection)
        else:
            # After this turn any thread may take it. The event loop must not read from it then. One
            # that is whole it leaves alone, see Exchange.
            if not connection.is_whole:
                connection.port.watch(connection, 0)
            if connection.phase is not WAITING:
                connection.port.move(connection, WAITING)

    def refuse(self, connection: Connection) -> None:
        """Say no: 503."""
        if connection in self.uploads.begun:
            self.end_upload(connection)
        keep = connection.body.complete and connection.is_reusable()
        answer = self.exchange.answers.refusal(connection.request, close=not keep)
        self.exchange.answer(connection, answer, keep)

    def _begin_upload(self, connection: Connection) -> bool:
        """Find a place for a request that is too large for a buffer; returns whether it has one."""
        verdict = self.uploads.offer(connection, time.monotonic())
        if verdict is WAIT:
            connection.port.move(connection, WAITING)
            connection.port.watch(connection, selectors.EVENT_READ)
        elif verdict is REFUSE:
            self.admission.count_refused("full")
            self.refuse(connection)
        return verdict is RUN

    def _go_on_waiting(self, connection: Connection) -> None:
        """See what has come of an upload that waits for a place; one that is whole needs none."""
        if not (connection.is_whole or connection.error):
            connection.port.watch(connection, 0)  # it has shown that it sends
            self.uploads.press(connection)
            return
        waited = self.uploads.forget(connection)
        if connection.error:
            self.exchange.reject(connection)
        elif waited:  # else it has a place since, and begin_waiting() follows
            self.admit(connection)

    def end_upload(self, connection: Connection) -> None:
        """Give an upload's place to the next one; it has been read. Any thread may call this."""
        if following := self.uploads.leave(connection):
            begin = partial(self.exchange.guard, self._begin_waiting, following)
            self.pool.loop.call_soon(begin)

    def _begin_waiting(self, connection: Connection) -> None:
        """Go on with an upload that has a place by now, if its client is still there."""
        if connection.phase is WAITING:
            self.admit(connection)
        else:
            self.end_upload(connection)

    def make_way(self) -> None:
        """Refuse those that waited too long, and free threads that clients keep for nothing."""
        self._answer_probes()
        now = time.monotonic()
        for connection in self.admission.take_expired(now):
            self.exchange.guard(self.refuse, connection)
        for connection in self.uploads.take_expired(now):
            self.admission.count_refused("timeout")
            self.exchange.guard(self.refuse, connection)
        clients = self.pool.clients()
        if self.admission.out_of_threads():
            self._cut([each for each in clients if each.kept_waiting(now) > STALLED])
        elif self.uploads.pressing:
            self._cut([each for each in clients if each.is_stalled(now, STALLED)])

    def _cut(self, clients: list[Client]) -> None:
        """Take the thread of the client that has kept one waiting for longest in all.

        Not only of late: one that sends a byte now and then is no better than one that sends
        nothing. One that was cut is about to give its thread back.
        """
        if clients and not any(client.late for client in clients):
            max(clients, key=lambda client: client.waited).interrupt()

    def start_waiting(self) -> None:
        """Start those that can run, as one that ran turned out to wait."""
        while connection := self.pool.present(self.admission.next(time.monotonic())):
            self.pool.start(connection)

    def is_waited_for(self) -> bool:
        """Whether anybody waits for more than the next event."""
        return bool(self.admission.waiting or self.uploads.waiting or self.probes)
