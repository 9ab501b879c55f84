"""A real gunicorn whose standard streams have readers of many kinds."""

import http.client
import os
import select
import signal
import subprocess
import sys
import threading
import time

from tests.runtime.gunicorn_process import OURS, REPOSITORY, SAMPLE, bound
from tests.runtime.ports import free_port
from tests.runtime.raw import eventually, get, metric


class Reader:
    """Reads a pipe, but for the times when it does not."""

    def __init__(self, reads: bool = True):
        self.end, self.pipe = os.pipe()
        self.data = b""
        self.reads = threading.Event()
        self.gone = threading.Event()
        if reads:
            self.reads.set()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while not self.gone.is_set():
            if not self.reads.wait(0.05) or not select.select([self.end], [], [], 0.05)[0]:
                continue
            if not (piece := os.read(self.end, 65536)):
                break
            self.data += piece
        os.close(self.end)

    def leave(self):
        """Go, with what is in the pipe."""
        self.gone.set()
        self._thread.join(10)

    def lines(self) -> list[bytes]:
        """Return all of them, when there are no more to come."""
        self.reads.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.data.splitlines()


class Logged:
    """Starts gunicorn, and waits by its ports alone until it serves: its log may have no reader.

    `stdout` and `stderr` are file descriptors that it takes over, or None: closed at the start.
    """

    def __init__(self, stdout: int | None, stderr: int | None, app: str = SAMPLE, **settings: str):
        self.port, self.management = free_port(), free_port()
        ports = {"PORT": str(self.port), "MANAGEMENT_PORT": str(self.management)}
        environ = {"PATH": os.environ["PATH"], "POD_NAME": "pod-1"} | ports | settings
        closing = " ".join(
            f"{fd}>&-" for fd, target in ((1, stdout), (2, stderr)) if target is None
        )
        command = [sys.executable, *OURS, app]
        self.process = subprocess.Popen(
            [*bound(), "sh", "-c", f'exec "$@" {closing}', "sh", *command],
            cwd=REPOSITORY,
            env=environ,
            stdout=stdout,
            stderr=stderr,
        )
        for fd in {stdout, stderr} - {None, subprocess.DEVNULL}:
            os.close(fd)

    def __enter__(self):
        try:
            eventually(self.is_ready, 20)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        return self

    def is_ready(self) -> bool:
        """Ask as the kubelet does."""
        assert self.process.poll() is None
        try:
            return get(self.management, "/readyz")[0] == 200
        except OSError:
            return False

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
            # Its worker finds out by itself.

    def ask(self, number: int, path: str = "/", agent: str = "test") -> float:
        """Make some requests, one after the other; return the seconds they took."""
        started = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        for _ in range(number):
            connection.request("GET", path, headers={"User-Agent": agent})
            response = connection.getresponse()
            response.read()
            assert response.status == 200
        connection.close()
        return time.monotonic() - started

    def dropped(self) -> int:
        """Return what the metric says."""
        return int(metric(self.management, "hellopod_log_lines_dropped_total"))

    def is_healthy(self) -> bool:
        """Ask as the kubelet does."""
        return get(self.management, "/healthz")[0] == 200

    def workers(self) -> list[int]:
        """Return the process ids of the master's children."""
        file = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(file) as children:
            return [int(pid) for pid in children.read().split()]

    def stop(self) -> float:
        """End it as Kubernetes does; return the seconds that took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0
        return time.monotonic() - started
