"""Probes and the management port, answered by the event loop itself: an answer proves it turns."""

import time
from typing import Any

from gunicorn.http.errors import LimitRequestHeaders, NoMoreData, ParseException

from service.runtime.connection import Connection, Phase
from service.runtime.head import header
from service.runtime.request import PodRequest
from service.runtime.state import Stage

PROBES = (b"GET /healthz HTTP/1.", b"GET /readyz HTTP/1.")
MOST_SCRAPES = 8  # at once: one that hangs must not fill the port that the probes use


class Health:
    """Liveness is progress; readiness is whether new clients are welcome. Load is neither."""

    def __init__(self, worker: Any) -> None:
        self.worker = worker

    def live(self) -> tuple[int, dict[str, Any]]:
        """503 if a handler has neither returned nor sent a byte for too long.

        Waiting for a client is no fault of the handler. An event loop that stands still gives no
        answer at all, which counts the same to a kubelet.
        """
        now = time.monotonic()
        for connection in list(self.worker.main.held[Phase.ACTIVE]):
            sock = connection.sock
            if sock.parked_at is None and now - sock.progress > self.worker.config.handler_timeout:
                return 503, {"status": "stuck", "seconds": round(now - sock.progress)}
        return 200, {"status": "ok"}

    def ready(self) -> tuple[int, dict[str, Any]]:
        """503 while draining, while switched off, and while the app lacks a dependency.

        The app has looked by itself before: extensions["dependencies"].missing() returns names.
        """
        state = self.worker.state
        if state.stage != Stage.SERVING:
            return 503, {"status": "draining"}
        if state.switched_off:
            return 503, {"status": "switched off"}
        dependencies = getattr(self.worker.wsgi, "extensions", {}).get("dependencies")
        if dependencies and (missing := dependencies.missing()):
            return 503, {"status": "waiting", "for": missing}
        return 200, {"status": "ready"}

    def serve_probe(self, connection: Connection) -> bool:
        """Answer a probe on the service's own port; everything else is for the app."""
        for start, ask in zip(PROBES, (self.live, self.ready), strict=True):
            if connection.buffer.startswith(start):
                if self._parse(connection):
                    self._answer(connection, *ask())
                return True
        return False

    def serve_management(self, connection: Connection) -> None:
        """Answer probes and scrapes; there is nothing else on this port."""
        request = self._parse(connection)
        if request is None:
            return
        path = request.path
        if request.method not in ("GET", "HEAD"):
            self._problem(connection, 405, "Only GET and HEAD.", "Allow: GET, HEAD\r\n")
        elif path == "/healthz":
            self._answer(connection, *self.live())
        elif path == "/readyz":
            self._answer(connection, *self.ready())
        elif path == "/metrics" and len(connection.port.held[Phase.ACTIVE]) >= MOST_SCRAPES:
            self._problem(connection, 503, "Other scrapes are not done yet.")
        elif path == "/metrics":
            connection.port.move(connection, Phase.ACTIVE)
            self.worker.scrapes.submit(self._scrape, connection)
        else:
            self._problem(connection, 404, "Try /healthz, /readyz or /metrics.")

    def _parse(self, connection: Connection) -> PodRequest | None:
        """Judge a request as gunicorn does in a thread; one that is malformed has its answer."""
        try:
            return connection.parse_head()
        except NoMoreData:  # as much as a buffer holds, and the head has no end
            error: ParseException = LimitRequestHeaders("max buffer headers")
        except ParseException as found:
            error = found
        self.worker.answer(connection, self.worker.malformed(connection, error), False)
        return None

    def _scrape(self, connection: Connection) -> None:
        """Render metrics, which takes milliseconds, in the thread for it."""
        try:
            body, kind = self.worker.metrics.render(header(connection.buffer, "accept"))
            keep = connection.is_reusable()
            response = self.worker.answers.response(
                200, "OK", body, kind, close=not keep, head=connection.buffer
            )
        except Exception:
            self.worker.log.exception("no metrics")
            response, keep = (
                self.worker.answers.problem(500, "", title="Internal Server Error"),
                False,
            )
        self.worker.method_queue.defer(
            self.worker.guard, self.worker.answer, connection, response, keep
        )

    def _answer(self, connection: Connection, status: int, value: dict[str, Any]) -> None:
        keep = connection.is_reusable()
        answers = self.worker.answers
        answer = answers.json(status, value, close=not keep, head=connection.buffer)
        self.worker.answer(connection, answer, keep)

    def _problem(self, connection: Connection, status: int, detail: str, headers: str = "") -> None:
        answers = self.worker.answers
        answer = answers.problem(status, detail, head=connection.buffer, headers=headers)
        self.worker.answer(connection, answer, False)
