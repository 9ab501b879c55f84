"""gunicorn's threaded worker; its event loop keeps slow clients and overload off the threads.

accept -> Exchange reads -> Frame: whole? -> Admission: slot? -> thread: gunicorn's parser, app
                                                 no: 503          response -> Exchange: next
"""

import signal
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from gunicorn.arbiter import Arbiter
from gunicorn.workers.gthread import ThreadWorker

from service.runtime.certificate import Certificate
from service.runtime.connection import Connection, Phase
from service.runtime.dispatch import Dispatch
from service.runtime.drain import leave
from service.runtime.errors import as_problem
from service.runtime.port import Port, fitting
from service.runtime.serving import start_all
from service.runtime.state import PodState, Stage

# The interpreter's default is 5 ms: so long each thread that computes goes on before the event loop
# gets its turn, several times for each request. Less than this was no better, and cost throughput.
SWITCH_INTERVAL = 0.0005  # seconds
BEAT = 1.0  # seconds between two heartbeats for the master
BUFFER_LIMIT = 65536  # bytes of a request that the event loop reads itself: heads, small bodies
MANAGEMENT_CONNECTIONS = 64  # a kubelet, a few Prometheus servers, and some that hang
OTHER_FILES = 100  # what the app has open itself
LAST_IDLE = 1.0  # seconds a stopping worker waits for what idle clients may be sending already
LAST_BEAT = 0.1  # seconds: how often it then looks whether all is done
LAST_ACCEPTS = 64  # rounds of accepting at the stop, should somebody flood it
LAST_WORDS = 0.5  # seconds it needs to say what it leaves undone, before the master's SIGKILL


class PodWorker(Dispatch, ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """One a pod. gunicorn_conf sets the class attributes."""

    config: Any  # service.config.Config, or anything with the runtime's settings
    state: PodState
    management_socket: socket.socket
    certificate: Certificate | None = None  # to speak TLS; gunicorn's certfile only says that we do
    buffer_limit = BUFFER_LIMIT

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Refuse what the event loop does not speak, and gunicorn's own TLS."""
        if cfg.proxy_protocol != "off" or "h2" in cfg.http_protocols:
            sys.exit("PodWorker speaks HTTP/1.1 only: no HTTP/2 or PROXY protocol")
        if bool(cfg.is_ssl) != bool(cls.certificate) or cfg.ca_certs or cfg.cert_reqs:
            sys.exit("PodWorker has its certificate from TLS_CERT_FILE, and asks clients for none")

    def init_process(self) -> None:
        """Build everything that must not exist before the fork, then load the app and run."""
        sys.setswitchinterval(SWITCH_INTERVAL)
        limit = fitting(self.cfg.worker_connections, MANAGEMENT_CONNECTIONS + OTHER_FILES)
        self.main = Port(
            self.sockets,
            limit,
            unheard=0.1,
            certificate=self.certificate,
            max_age=self.config.max_connection_age,
        )
        # Less, as there are few places: with 50 ms it takes over a thousand connections a second to
        # keep a probe out.
        self.management = Port([self.management_socket], MANAGEMENT_CONNECTIONS, unheard=0.05)
        self.idle_timeout = self.cfg.keepalive
        self.read_timeout = self.config.read_timeout
        self.init_dispatch()
        # gunicorn looks each up with a function in Python, 25 times a request: 6 % of a small
        # request's instructions. They do not change any more.
        vars(self.cfg).update({name: one.get() for name, one in self.cfg.settings.items()})
        try:
            super().init_process()
        finally:  # or the interpreter would wait for the threads, however this ends
            self.started.put(None)

    def run(self) -> None:
        """Serve until told to stop, then finish."""
        self.metrics.join(self.wsgi)
        self.main.watch_pipe(self.method_queue.fileno(), self.method_queue.run_callbacks)
        self.main.watch_pipe(self.management.poller.fileno(), self.serve_management)
        if self.certificate:
            self.certificate.renew(self.log)  # the master's may be as old as the pod
        self.taking = True
        self.main.accept(True)
        self.management.accept(True)
        self.state.booted = True
        beat = 0.0
        while self.alive:
            if time.monotonic() - beat > BEAT:
                beat = time.monotonic()
                self.notify()
                if self.certificate:
                    self.certificate.look(self.log)
                if not self.is_parent_alive():
                    break
            self.take_turns()
        self.stop()

    def stop(self) -> None:
        """Take what the kernel has accepted already, finish what is in flight, and leave."""
        self.log.info("stopping, %d requests in flight", self.admission.running)
        for listener in self.sockets:
            for _ in range(LAST_ACCEPTS):
                if self.accept(self.main, listener):
                    break
        self.taking = False
        self.main.accept(False)
        for listener in self.sockets:
            listener.close()
        self.idle_timeout = LAST_IDLE
        for phase in (Phase.HANDSHAKE, Phase.IDLE):
            for connection in self.main.held[phase]:
                connection.since = time.monotonic()  # from now on, however long it has been so
        self.expire_at = 0.0
        self.longest_sleep = LAST_BEAT
        deadline = time.monotonic() + self.config.graceful_timeout - LAST_WORDS
        while self.main.count() and time.monotonic() < deadline:
            if self.state.stage == Stage.LEAVING and self.idle_timeout:
                self.idle_timeout = 0
                self.read_timeout = min(self.read_timeout, LAST_IDLE)
                self.expire_at = 0.0
            self.notify()
            self.take_turns()
        self.take_back()
        if cut := len(self.main.held[Phase.ACTIVE]) + len(self.main.held[Phase.WAITING]):
            self.log.warning("%d requests were cut by graceful_timeout", cut)
        self.admission.paused = True  # a thread that is done takes no more
        for pool in (self.tpool, self.scrapes):
            pool.shutdown(wait=False, cancel_futures=True)

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """Start all threads now: a pod that may not have as many should not start at all."""
        pool: ThreadPoolExecutor = super().get_thread_pool()
        try:
            start_all(pool, self.cfg.threads, self.work)
        except RuntimeError as error:
            self.log.critical("%d threads are needed: %s", self.cfg.threads, error)
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
        return pool

    def closing(self) -> bool:
        """Whether clients are to connect elsewhere."""
        return not self.alive or self.state.stage != Stage.SERVING

    def backlog(self) -> int:
        """How many connections the kernel has accepted for us, that we have not taken."""
        return sum(listener.get_backlog() for listener in self.sockets)

    def handle_request(self, req: Any, conn: Connection) -> Any:
        """Do not send 100 Continue twice. In the pool."""
        if conn.continued:
            req._expected_100_continue = False
        return super().handle_request(req, conn)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer gunicorn's own errors in our form, if an answer is possible. In the pool."""
        problem = self.problem(client.connection.request, req, addr, exc)
        try:
            if not client.answered:
                client.head = b""  # of an answer that will not be
                client.flush(problem)
        except OSError:
            self.log.debug("the client is gone")

    def problem(self, head: bytes, req: Any, addr: Any, exc: BaseException) -> bytes:
        """Have gunicorn log an error; returns problem details with the status that it chose."""
        handle = super().handle_error
        return as_problem(self.answers, head, exc, lambda page: handle(req, page, addr, exc))

    def malformed(self, connection: Connection, error: Exception) -> bytes:
        """Return the answer to a request that the event loop cannot parse."""
        return self.problem(bytes(connection.buffer), None, connection.client, error)

    def give_up_client(self, connection: Connection) -> None:
        """Tell a client that did not finish its request, if it listens. In the pool."""
        try:
            connection.raw.send(self.answers.timeout(connection.request))
        except OSError:
            self.log.debug("the client is gone")

    def init_signals(self) -> None:
        """Leave SIGINT to the master: a terminal sends it to both."""
        super().init_signals()
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop; at once if there is nothing to finish yet."""
        if not self.booted:
            leave(sig, frame)
        super().handle_exit(sig, frame)
