"""A real gunicorn as a subprocess, configured as in the container."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


class Gunicorn:
    """Starts on a free port; stop() or the end of the with block ends it."""

    def __init__(self, **settings: str):
        self.environ = {"PATH": os.environ["PATH"], "PORT": "0", "POD_NAME": "pod-1"} | settings
        self.lines: list[str] = []

    def __enter__(self):
        command = [sys.executable, "-m", "gunicorn", "--config"]
        self.process = subprocess.Popen(
            [*command, "python:service.runtime.gunicorn_conf"],
            cwd=REPOSITORY,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,  # nothing but JSON may appear there either
            encoding="utf-8",
        )
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        self.port = int(self.wait_for(r"Listening at: http://0\.0\.0\.0:(\d+)"))
        self.wait_for("Booting worker")
        return self

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

    def stop(self) -> int:
        """End it as Kubernetes does; return the exit code."""
        if self.process.returncode is None:
            self.process.terminate()
            self.process.wait(timeout=40)
            self.reader.join(timeout=10)
            self.process.stdout.close()
        return self.process.returncode
