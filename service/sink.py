"""A file descriptor that lines are written to, whatever becomes of its reader."""

import os
import time
from collections import deque
from select import PIPE_BUF, select

PATIENCE = 0.4  # seconds without a byte taken, after which a reader counts as stuck


class Sink:
    """Takes lines for a file descriptor. Only one thread uses it, and may have to wait."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.chunk = b""  # what is written next
        self._torn = False  # whether it begins in the middle of a line
        self._tried = 0.0  # when it was begun, or some of it was written

    @property
    def is_stuck(self) -> bool:
        """Whether there is no point in waiting for the reader."""
        return bool(self.chunk) and time.monotonic() > self._tried + PATIENCE

    def take(self, lines: deque[bytes]) -> bool:
        """Move lines into the chunk, as many as a pipe takes whole; returns whether any."""
        if not self.chunk:
            self._tried = time.monotonic()
        parts, room = [self.chunk], PIPE_BUF - len(self.chunk)
        while lines and ((length := len(lines[0])) <= room or room == PIPE_BUF):
            parts.append(lines.popleft())
            room -= length
        self.chunk = b"".join(parts)
        return len(parts) > 1

    def is_ready(self, wait: float) -> bool:
        """Tell within some seconds whether write() would not block, or would fail.

        Another writer may come first: then it does block.
        """
        try:
            return bool(select([], [self.fd], [], wait)[1])
        except OSError:
            return True

    def write(self) -> bytes | None:
        """Write some of the chunk; returns what is lost if that fails, else None.

        The rest of a line that is half written stays, for when there is room again.
        """
        try:
            written = os.write(self.fd, self.chunk)
        except BlockingIOError:  # another process has made it non-blocking, and came first
            return None
        except OSError:
            kept = self.chunk.find(b"\n") + 1 if self._torn else 0
            self.chunk, lost = self.chunk[:kept], self.chunk[kept:]
            return lost
        self._torn = not self.chunk[:written].endswith(b"\n")
        self._tried = time.monotonic()
        self.chunk = self.chunk[written:]
        return None
