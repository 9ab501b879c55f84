"""When the worker last showed that it is alive, as the master sees it."""

import tempfile
import time
from typing import Any

UNWATCHED = 5.0  # seconds; the master looks at its worker once a second


def folder(*wanted: str | None) -> str | None:
    """Return the first folder in which a file can be made; None is Python's folder for such files.

    Raises OSError if there is none. It makes a file to find out: a folder may be full or read-only.
    """
    problem: OSError = FileNotFoundError("there is no folder for temporary files")
    for each in wanted:
        try:
            with tempfile.TemporaryFile(dir=each):
                return each
        except OSError as error:
            problem = error
    raise problem


class Heartbeat:
    """gunicorn's file with the time of the worker's last beat.

    If the master did not look for a while, it was stopped itself: by SIGSTOP to its group, or by a
    machine that slept. The worker was stopped too, so its time begins anew when the master goes on.
    """

    def __init__(self, file: Any) -> None:
        self.file = file
        self.looked_at = self.since = time.monotonic()

    def last_update(self) -> float:
        """Return the moment of the last beat, or when the master went on. In the master."""
        now = time.monotonic()
        if now - self.looked_at > UNWATCHED:
            self.since = now
        self.looked_at = now
        return max(self.since, float(self.file.last_update()))

    def __getattr__(self, name: str) -> Any:
        """Pass on what has nothing to do with time."""
        return getattr(self.file, name)
