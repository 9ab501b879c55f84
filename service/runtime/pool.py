"""The threads that run the app: each serves one request after the other."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from service.http1.answers import Answered, request_id
from service.http1.head import ProtocolError, Request
from service.http1.wsgi import Response
from service.runtime.admission import Admission
from service.runtime.client import Client, ClientGone
from service.runtime.connection import ACTIVE, SERVED, Connection
from service.runtime.exchange import Exchange
from service.runtime.handover import Handover
from service.runtime.loop import EventLoop

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

log = logging.getLogger(__name__)


class Pool:
    """Runs the app in threads.

    A thread waits for its client for `read_timeout` and `send_timeout` seconds at most. It calls
    `on_body` when it has read all of a body.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        admission: Admission,
        exchange: Exchange,
        loop: EventLoop,
        on_body: Callable[[Connection], None],
        read_timeout: float,
        send_timeout: float,
    ) -> None:
        self.app = app
        self.admission = admission
        self.exchange = exchange
        self.loop = loop
        self.on_body = on_body
        self.read_timeout = read_timeout
        self.send_timeout = send_timeout
        self.count_cut = exchange.metrics.count_cut
        self.abandoned = 0  # requests whose client did not wait for a slot
        self.lock = threading.Lock()  # for what the event loop and several threads change
        self._started = Handover()  # those that have a slot and no thread yet
        self._busy: set[Client] = set()

    def start_threads(self, count: int) -> None:
        """Start all threads now; raises RuntimeError where so many may not be started.

        They do not keep the process from ending.
        """
        for _ in range(count):
            threading.Thread(target=self._work, daemon=True).start()

    def start(self, connection: Connection) -> None:
        """Give a connection that has a slot a thread. Any thread may call this."""
        self._started.put(self._activate(connection))

    def _activate(self, connection: Connection) -> Client:
        connection.port.move(connection, ACTIVE)
        return Client(connection, self)

    def clients(self) -> list[Client]:
        """Return those that threads are serving. Any thread may call this."""
        return list(self._busy)

    def _work(self) -> None:
        """Serve what is started until the process ends."""
        while True:
            client: Client | None = self._started.get()
            while client is not None:
                client = self.serve(client)

    # What follows runs in the threads.

    def serve(self, client: Client) -> Client | None:
        """Serve one request; returns the next one for this thread, if one waits."""
        self._busy.add(client)
        try:
            self._answer(client)
        except BaseException:  # nor may any cost a thread or a slot
            log.exception("a request did not end as it should")
        self.hand_back(client, False)
        self._busy.discard(client)
        return client.following

    def _answer(self, client: Client) -> None:
        """Have the app answer, and log it."""
        connection, started = client.connection, time.monotonic()
        connection.meter.begin()
        request, arrived = connection.request, connection.arrived
        environ = connection.environ(request)
        environ["hellopod.request_id"] = request_id(request.fields, self.exchange.answers.conceal)
        environ["hellopod.arrived"] = arrived  # of time.monotonic(): the queue is in the budget
        environ["wsgi.input"] = client.input()
        release, done = partial(self.release, client), partial(self._end_early, client)
        response = Response(request, client, release, done)
        environ["wsgi.early_hints"] = response.early_hints
        answered: Any = response
        result: Iterable[bytes] = ()
        try:
            result = self.app(environ, response.start_response)
            response.send_all(result)
        except ClientGone as gone:
            log.debug("%s %s: %s", request.method, request.path, gone)
            response.keep = False
        except BaseException as error:  # SystemExit too: no request may end the worker
            response.keep = False
            answered = self._fail(client, request, environ, error) or response
        if not (client.is_done or connection.is_whole):  # the app may yet read the rest of it
            result = self._close(result)
        self.hand_back(client, response.keep)
        ended = time.monotonic()
        self.exchange.metrics.observe(request, started - arrived, ended - arrived)
        self.exchange.access(answered, request, environ, timedelta(seconds=ended - started))
        self._close(result)

    def _close(self, result: Iterable[bytes]) -> Iterable[bytes]:
        """Tell the app that its response is done with (PEP 3333); returns one without an end."""
        try:
            if close := getattr(result, "close", None):
                close()
        except BaseException:  # the client has its answer
            log.exception("the end of a response failed")
        return ()

    def _fail(
        self, client: Client, request: Request, environ: dict[str, Any], error: BaseException
    ) -> Answered | None:
        """Answer in the app's place, if it has not begun to."""
        if not isinstance(error, ProtocolError):
            log.exception("Error handling request %s %s", request.method, request.path)
            error = ProtocolError(500, "")
        if client.sending:
            return None
        self.release(client)
        self.exchange.metrics.count_answer(error.status)
        answer = self.exchange.answers.error(request, error, environ["hellopod.request_id"])
        with contextlib.suppress(ClientGone):
            client.send(answer)
        return Answered(answer)

    def release(self, client: Client) -> None:
        """Give its slot back, before the client has the whole answer and may ask again.

        If one waits for it, this thread serves that next.
        """
        if not client.has_slot:
            return
        client.has_slot = False
        now = time.monotonic()
        following = self.present(self.admission.leave(client.connection, now))
        if following is not None:
            client.following = self._activate(following)
        elif self.admission.waiting:  # nobody may leave the queue at this moment
            if self.admission.mostly_computes(now):
                self.loop.wake()
            else:
                self.loop.cut_short()

    def _end_early(self, client: Client, keep: bool) -> None:
        """Hand back before log and metrics: the next request is there soon, and would wait for it.

        Not while the app may still read from the connection.
        """
        if client.connection.is_whole:
            self.hand_back(client, keep)

    def hand_back(self, client: Client, keep: bool) -> None:
        """Leave the connection to the event loop, once the client has its answer."""
        connection = client.connection
        if client.is_done:
            return
        client.is_done = True
        self.release(client)
        connection.meter.end()
        connection.keep = keep and not client.cut
        self.on_body(connection)
        connection.port.move(connection, SERVED)
        self.loop.give_back(connection)

    def present(self, connection: Connection | None) -> Connection | None:
        """Return what left the queue, or what comes after it where its client has left, too.

        A client that has only closed its own side looks the same from here. So it gets a 503.
        """
        while connection is not None and connection.has_left():
            with self.lock:
                self.abandoned += 1
            self.on_body(connection)  # an upload's place is free, too
            refusal = self.exchange.answers.refusal(connection.request, close=True)
            answer = partial(self.exchange.guard, self.exchange.answer, connection, refusal, False)
            self.loop.call_soon(answer)
            connection = self.admission.abandon(connection, time.monotonic())
        return connection

    def park(self, client: Client) -> None:
        """Let somebody else run while a client keeps this thread waiting."""
        if client.following:
            self._started.put(client.following)
            client.following = None
        if other := self.present(self.admission.park(client.connection, time.monotonic())):
            self.start(other)

    def unpark(self, client: Client) -> None:
        """Go on, with a slot if it had one."""
        self.admission.unpark(client.connection, time.monotonic(), client.has_slot)
