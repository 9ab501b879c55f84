"""Probes and the management port, answered by the event loop itself: an answer proves it turns."""

import logging
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from service.http1.answers import json_line
from service.http1.head import Request
from service.runtime.client import Client
from service.runtime.connection import ACTIVE, SERVED, Connection
from service.runtime.exchange import Exchange
from service.runtime.port import Port

log = logging.getLogger(__name__)

MOST_SCRAPES = 8  # at once: one that hangs must not fill the port that the probes use

Verdict = tuple[int, bytes]  # status, and why as JSON
ALIVE, READY = json_line({"status": "ok"}), json_line({"status": "ready"})


class Health:
    """Liveness is progress; readiness is whether new clients are welcome. Load is neither."""

    def __init__(
        self,
        clients: Callable[[], list[Client]],
        handler_timeout: float,
        not_ready: Callable[[], dict[str, Any] | None],
    ) -> None:
        self.clients = clients  # that threads are serving
        self.handler_timeout = handler_timeout  # seconds
        self.not_ready = not_ready  # says why, if so
        self.probes = {"/healthz": self.live, "/readyz": self.ready}

    def live(self) -> Verdict:
        """503 if a handler has neither returned, nor read or sent a byte, for too long.

        Waiting for a client is no fault of the handler. An event loop that stands still gives no
        answer at all. For a kubelet that counts the same.
        """
        now = time.monotonic()
        for client in self.clients():
            if client.parked_at is None and now - client.progress > self.handler_timeout:
                seconds = round(now - client.progress)
                return 503, json_line({"status": "stuck", "seconds": seconds})
        return 200, ALIVE

    def forgive(self, seconds: float) -> None:
        """Have time not count in which the whole process stood still."""
        for client in self.clients():
            client.progress += seconds

    def ready(self) -> Verdict:
        """503 while the pod is not for new clients, with the reason."""
        reason = self.not_ready()
        return (503, json_line(reason)) if reason else (200, READY)

    def is_probe(self, request: Request) -> bool:
        """Whether a request to the service's port is a probe; everything else is for the app."""
        return request.path in self.probes and request.method == "GET"


class Management:
    """The management port: probes and scrapes; there is nothing else.

    `render` returns the metrics as text, and their media type, for an Accept header.
    """

    def __init__(
        self,
        port: Port,
        health: Health,
        exchange: Exchange,
        render: Callable[[str], tuple[bytes, str]],
        call_soon: Callable[[Callable[[], None]], None],
    ) -> None:
        self.port = port
        self.health = health
        self.exchange = exchange
        self.render = render
        self.call_soon = call_soon
        self.scrapes: SimpleQueue[Connection] = SimpleQueue()
        # One that hangs does not keep the process from ending.
        threading.Thread(target=self._serve_scrapes, name="scrapes", daemon=True).start()

    def serve(self, connection: Connection) -> None:
        """Answer one request."""
        request, answers = connection.request, self.exchange.answers
        if connection.error:
            self.exchange.reject(connection)
            return
        if request.method not in ("GET", "HEAD"):
            allow = "Allow: GET, HEAD\r\n"
            answer = answers.problem(request, 405, "Only GET and HEAD.", headers=allow)
        elif request.path in self.health.probes:
            self.answer_probe(connection)
            return
        elif request.path != "/metrics":
            answer = answers.problem(request, 404, "Try /healthz, /readyz or /metrics.")
        elif len(self.port.held[ACTIVE]) >= MOST_SCRAPES:
            answer = answers.problem(request, 503, "Other scrapes are not done yet.")
        else:
            self.port.move(connection, ACTIVE)
            self.scrapes.put(connection)
            return
        self.exchange.answer(connection, answer, keep=False)

    def answer_probe(self, connection: Connection) -> None:
        """Answer a probe, on whatever port; the connection ends if it came in chunks."""
        request = connection.request
        keep = request.length is not None and connection.body.complete and connection.is_reusable()
        verdict = self.health.probes[request.path]()
        answer = self.exchange.answers.response(
            request, *verdict, "application/json", close=not keep
        )
        self.exchange.answer(connection, answer, keep)

    def _serve_scrapes(self) -> None:
        while True:
            self._scrape(self.scrapes.get())

    def _scrape(self, connection: Connection) -> None:
        """Render metrics, in the thread for it: that takes milliseconds."""
        request, answers, keep = connection.request, self.exchange.answers, False
        try:
            body, kind = self.render(request.fields.get("HTTP_ACCEPT", ""))
            keep = connection.is_whole and connection.is_reusable()
            answer = answers.response(request, 200, body, kind, close=not keep)
        except Exception:
            log.exception("no metrics")
            answer = answers.problem(request, 500)

        def send() -> None:
            self.port.move(connection, SERVED)
            self.exchange.guard(self.exchange.answer, connection, answer, keep)

        self.call_soon(send)
