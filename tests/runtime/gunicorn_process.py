"""A real gunicorn as a subprocess, configured as in the container."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
TEST_APP = "tests.runtime.app:application"
SAMPLE = "tests.service.sample:create_app()"
OURS = ("-m", "service")  # as the image starts it


def bound() -> list[str]:
    """Begin a command that ends with the thread that starts it, where the system can do that.

    A test run that is killed leaves no service behind: without its master a worker ends, too.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv and sys.platform == "linux" else []


class Gunicorn:
    """Starts on free ports; stop() or the end of the with block ends it."""

    directory = REPOSITORY
    python = sys.executable

    def __init__(self, *arguments: str, files: int | None = None, **settings: str):
        self.arguments = arguments or OURS
        self.files = files  # limit of open files
        self.ours = self.arguments[: len(OURS)] == OURS
        ports = {"PORT": "0", "MANAGEMENT_PORT": "0"}
        self.environ = {"PATH": os.environ["PATH"], "POD_NAME": "pod-1"} | ports | settings
        self.lines: list[str] = []

    def start(self):
        """Start the process and come back at once."""
        limited = ["prlimit", f"--nofile={self.files}"] if self.files else []
        self.process = subprocess.Popen(
            [*bound(), *limited, self.python, *self.arguments],
            cwd=self.directory,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,  # nothing but JSON may appear there either
            encoding="utf-8",
            start_new_session=True,  # no terminal of ours: with one SIGHUP would end it
        )
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def __enter__(self):
        self.start()
        try:
            self._learn()
        except BaseException:
            self.stop()  # nobody else would, and our own thread waits for its end
            raise
        return self

    def _learn(self):
        if self.ours:
            self.management = int(self.wait_for(r"Management port listening at: http://\S+:(\d+)"))
        self.port = int(self.wait_for(r"\bListening at: https?://\S+:(\d+)"))
        self.worker = int(self.wait_for(r"Booting worker with pid: (\d+)"))

    def __exit__(self, *_):
        self.stop()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    def wait_for(self, pattern: str, seconds: float = 20) -> str:
        """Return the first group of the first line that matches."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for line in list(self.lines):
                if match := re.search(pattern, line):
                    return match[match.lastindex or 0]
            time.sleep(0.02)
        raise AssertionError(f"no line matches {pattern!r} in: {''.join(self.lines)}")

    def records(self) -> list[dict]:
        """Parse what it logged so far; fails for a line that is no JSON."""
        return [json.loads(line) for line in self.lines]

    def signal(self, number: signal.Signals) -> None:
        """Send the master a signal."""
        self.process.send_signal(number)

    def wait(self, seconds: float = 40) -> int:
        """Return the exit code when it has ended."""
        self.process.wait(timeout=seconds)
        self.reader.join(timeout=10)
        return self.process.returncode

    def stop(self) -> int:
        """End it as Kubernetes does, after 20 s by force; return the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        code = self.wait()
        self.process.stdout.close()
        return code
