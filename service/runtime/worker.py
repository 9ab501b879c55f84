"""gunicorn's worker: builds the parts of the runtime, runs them, and stops them.

loop accepts -> exchange reads -> scheduler: probe, run, wait or refuse -> pool: the app answers
"""

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker
from prometheus_client import CollectorRegistry

from service.http1.answers import Answers
from service.http1.head import Limits
from service.runtime.admission import QUEUE_BEAT, Admission
from service.runtime.connection import ACTIVE, HANDSHAKE, IDLE, WAITING
from service.runtime.exchange import Exchange
from service.runtime.loop import EventLoop
from service.runtime.management import Health, Management
from service.runtime.metrics import RuntimeMetrics
from service.runtime.pool import Pool
from service.runtime.port import Port, fitting
from service.runtime.scheduler import Scheduler
from service.runtime.uploads import Uploads
from service.tls.certificate import Certificate

# The interpreter's default is 5 ms: so long each thread that computes goes on before the event loop
# gets its turn, several times for each request. Less than this was no better, and cost throughput.
SWITCH_INTERVAL = 0.0005  # seconds
BEAT = 1.0  # seconds between two heartbeats for the master
MANAGEMENT_CONNECTIONS = 64  # a kubelet, a few Prometheus servers, and some that hang
OTHER_FILES = 100  # what the app has open itself
# While requests queue, the event loop and the threads take turns: mixed, each system call of the
# one costs it the interpreter until another gives it up, and refusing cost six times as much.
TURN = 0.01  # seconds for the threads at most, several requests each; the event loop may be as late
# Seconds without a turn of the event loop. There is one a second at least, so somebody has stopped
# the process, as SIGSTOP does or a machine that sleeps.
STOOD_STILL = 5.0
LAST_IDLE = 1.0  # seconds a stopping worker waits for what idle clients may be sending already
LAST_BEAT = 0.1  # seconds: how often it then looks whether all is done
LAST_ACCEPTS = 64  # rounds of accepting at the stop, should somebody flood it
# Signals that are for the master alone, wherever they come from.
FOR_MASTER = [
    getattr(signal, f"SIG{name}") for name in ("ALRM", "HUP", "TTIN", "TTOU", "USR1", "USR2")
]
LAST_WORDS = 0.5  # seconds it needs to say what it leaves undone, before the master's SIGKILL


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of the runtime; seconds and bytes."""

    concurrency: int
    queue_length: int
    queue_timeout: float
    max_content_length: int
    read_timeout: float
    send_timeout: float
    handler_timeout: float
    graceful_timeout: int
    max_connection_age: float
    pod_name: str
    conceal: Callable[[str], str]  # stars what nobody should see


class PodWorker(Worker):  # type: ignore[misc]  # gunicorn has no types
    """One a pod. gunicorn_conf sets the class attributes."""

    settings: Settings
    state: Any  # what master and worker share: booted, is_serving, is_leaving and restarts
    management_socket: socket.socket
    certificate: Certificate | None = None  # to speak TLS; gunicorn's certfile only says that we do
    not_ready: Callable[[Any], dict[str, Any] | None]  # why an app is not for new clients, if so
    render: Callable[[CollectorRegistry, str], tuple[bytes, str]]  # metrics, for an Accept header

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Refuse what the event loop does not speak, and gunicorn's own TLS."""
        if cfg.proxy_protocol != "off" or "h2" in cfg.http_protocols:
            sys.exit("PodWorker speaks HTTP/1.1 only: no HTTP/2 or PROXY protocol")
        if bool(cfg.is_ssl) != bool(cls.certificate) or cfg.ca_certs or cfg.cert_reqs:
            sys.exit("PodWorker has its certificate from TLS_CERT_FILE, and asks clients for none")

    def run(self) -> None:
        """Serve until told to stop, then finish. gunicorn has forked and loaded the app."""
        sys.setswitchinterval(SWITCH_INTERVAL)
        self.build()
        if self.certificate:
            self.certificate.renew(self.log)  # the master's may be as old as the pod
        for port in (self.loop.main, self.loop.management):
            port.accept(True)
        self.state.booted = True
        beat = turned = 0.0
        while self.alive:
            now = time.monotonic()
            if turned and now - turned > STOOD_STILL:
                self.health.forgive(now - turned)
            turned = now
            if now - beat > BEAT:
                beat = now
                self.notify()
                if self.certificate:
                    self.certificate.look(self.log)
                if self.ppid != os.getppid():
                    self.log.info("the master is gone")
                    break
            self.take_turns()
        self.stop()

    def build(self) -> None:
        """Make the parts and connect them. None of them may exist before the fork."""
        settings, cfg = self.settings, self.cfg
        limits = Limits(
            cfg.limit_request_line,
            cfg.limit_request_fields,
            cfg.limit_request_field_size,
            settings.max_content_length,
        )
        self.main = Port(
            self.sockets,
            fitting(cfg.worker_connections, MANAGEMENT_CONNECTIONS + OTHER_FILES),
            0.1,
            limits,
            self.is_leaving,
            self.certificate,
            settings.max_connection_age,
        )
        # A connection is safe from being closed for a new one for 50 ms. The main port gives 0.1 s,
        # but here are few places. A flood has to open more than a thousand connections a second to
        # keep a probe out.
        management = Port(
            [self.management_socket], MANAGEMENT_CONNECTIONS, 0.05, limits, self.is_leaving
        )
        management.unread_bodies = True
        answers = Answers(settings.pod_name, settings.conceal)
        metrics = RuntimeMetrics(settings.conceal)
        exchange = Exchange(answers, metrics, self.log.access)
        self.loop = EventLoop(
            self.main, management, exchange, self.PIPE, cfg.keepalive, settings.read_timeout
        )
        self.health = Health(
            lambda: self.pool.clients(), settings.handler_timeout, self.why_not_ready
        )
        limit = settings.concurrency, settings.queue_length, settings.queue_timeout
        self.admission = Admission(*limit, cfg.threads)
        self.scheduler = Scheduler(
            self.admission,
            Uploads(*limit),
            exchange,
            Management(
                management,
                self.health,
                exchange,
                lambda accept: type(self).render(metrics.registry, accept),
                self.loop.call_soon,
            ),
        )
        exchange.on_request = self.scheduler.on_request
        os.register_at_fork(after_in_parent=exchange.note_fork)
        self.pool = self.scheduler.pool = Pool(
            self.wsgi,
            self.admission,
            exchange,
            self.loop,
            self.scheduler.end_upload,
            settings.read_timeout,
            settings.send_timeout,
        )
        metrics.join(self.wsgi, self.snapshot)
        try:  # now: a pod that may not have as many should not start at all
            self.pool.start_threads(cfg.threads)
        except RuntimeError as error:
            self.log.critical("%d threads are needed: %s", cfg.threads, error)
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    def take_turns(self) -> None:
        """Leave the interpreter to the threads for a while, then have it for the event loop."""
        # A turn is cut short where the threads mostly sleep. So the loop goes on at once.
        if self.admission.waiting and not self.loop.is_cut_short:
            end = time.monotonic() + TURN
            while self.admission.waiting and (left := end - time.monotonic()) > 0:
                self.admission.wait_until_empty(min(left, self.admission.beat))
                self.scheduler.start_waiting()
        beat = QUEUE_BEAT if self.scheduler.is_waited_for() else self.loop.longest_sleep
        if self.admission.waiting:
            beat = 0.0  # nobody leaves the queue meanwhile
        self.loop.is_cut_short = False  # before the pause: a thread may set it meanwhile
        self.admission.paused = True
        try:
            self.loop.turn(beat)
            if waited_for := self.scheduler.is_waited_for():
                self.scheduler.make_way()
        finally:
            self.admission.paused = False
        if waited_for:
            self.scheduler.start_waiting()

    def stop(self) -> None:
        """Take what the kernel has accepted already, finish what is in flight, and leave."""
        loop, main = self.loop, self.main
        self.alive = False  # also if nobody has asked for it
        self.log.info("stopping, %d requests in flight", self.admission.running)
        self.take_last()
        main.accept(False)
        for listener in self.sockets:
            listener.close()
        loop.idle_timeout = LAST_IDLE
        for phase in (HANDSHAKE, IDLE):
            for connection in main.held[phase]:
                connection.since = time.monotonic()  # from now on, however long it has been so
        loop.expire_at = 0.0
        loop.longest_sleep = LAST_BEAT
        deadline = time.monotonic() + self.settings.graceful_timeout - LAST_WORDS
        while (main.count() or self.pool.clients()) and time.monotonic() < deadline:
            if self.state.is_leaving and loop.idle_timeout:
                loop.idle_timeout = 0
                loop.read_timeout = min(loop.read_timeout, LAST_IDLE)
                loop.expire_at = 0.0
            self.notify()
            self.take_turns()
        loop.take_back()
        if cut := len(main.held[ACTIVE]) + len(main.held[WAITING]):
            self.log.warning("%d requests were cut by graceful_timeout", cut)
        self.admission.paused = True  # a thread that is done takes no more

    def take_last(self) -> None:
        """Take what the kernel has accepted already."""
        self.loop.taking = False
        for listener in self.sockets:
            for _ in range(LAST_ACCEPTS):
                self.admission.paused = True  # as in take_turns: nobody leaves the queue now
                try:
                    is_last = self.loop.accept(self.main, listener)
                finally:
                    self.admission.paused = False
                self.scheduler.start_waiting()
                if is_last:
                    break

    def is_leaving(self) -> bool:
        """Whether clients are to connect elsewhere."""
        return not self.alive or not self.state.is_serving

    def is_overloaded(self) -> bool:
        """Whether there is an overload: then retries to upstreams would add to it."""
        return self.admission.is_overloaded(time.monotonic())

    def why_not_ready(self) -> dict[str, Any] | None:
        """Return why no new client is welcome, if so."""
        reason = type(self).not_ready(self.wsgi)
        return reason or (None if self.alive else {"status": "restarting"})

    def snapshot(self) -> dict[str, Any]:
        """Return what metrics tell of this moment."""
        admission = self.admission
        found = {
            "requests_in_flight": admission.running,
            "requests_waiting": self.scheduler.waiting(),
            "requests_parked": admission.parked,
            "requests_abandoned": self.pool.abandoned,
            "concurrency_limit": admission.limit,
            "connections": self.main.count(),
            "accept_backlog": sum(listener.get_backlog() for listener in self.sockets),
            "draining": not self.state.is_serving,
            "worker_restarts": self.state.restarts,
            "shed": admission.refused,
        }
        if self.certificate:
            found["tls_certificate_expiry_timestamp_seconds"] = self.certificate.expires
        return found

    def init_signals(self) -> None:
        """Leave to the master the signals that a terminal sends to the whole process group.

        gunicorn gives the worker the default action of these signals. That would end it.
        """
        super().init_signals()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for number in FOR_MASTER:
            signal.signal(number, lambda _sig, _frame: None)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop; at once if there is nothing to finish yet. The signal has woken the loop."""
        if not self.booted:
            logging.shutdown()
            os._exit(0)
        self.alive = False
