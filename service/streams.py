"""The standard streams: what the log, print(), warnings and tracebacks are written to."""

import atexit
import io
import logging
import os
import sys
import time
from typing import Any, TextIO

from service.output import LONGEST_FLUSH, Output


class Lines(logging.Handler):
    """Leaves records to an output, each as a line.

    Without a lock: they are formatted in the thread that makes them, and the output has its own.
    """

    def __init__(self, output: Output) -> None:
        super().__init__()
        self.output = output

    def handle(self, record: logging.LogRecord) -> Any:
        """Filter and emit."""
        found = self.filter(record)
        if found:  # from Python 3.12 on it may be another record
            self.emit(found if isinstance(found, logging.LogRecord) else record)
        return found

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            self.write(self.format(record))
        except Exception:
            self.handleError(record)

    def write(self, line: str) -> None:
        """Write a line."""
        self.output.put((line + "\n").encode(self.output.encoding, "backslashreplace"))

    def flush(self) -> None:
        """Wait until all is written, but not for a reader that is stuck."""
        self.output.flush()


class Stream(io.RawIOBase):
    """What sys.stdout and sys.stderr have in place of a file: writing to it does not block."""

    def __init__(self, output: Output, name: str) -> None:
        self.output = output
        self.name = name

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, data: Any) -> int:
        """Take it all."""
        self.output.put(bytes(data))
        return len(data)

    def fileno(self) -> int:
        """Return where it ends up, for programs that inherit it; raises OSError if nowhere."""
        return super().fileno() if self.output.fd is None else self.output.fd

    def isatty(self) -> bool:
        """Tell whether a person reads it."""
        return is_terminal(self.output)


def is_terminal(output: Output) -> bool:
    """Tell whether a person reads it."""
    return output.fd is not None and os.isatty(output.fd)


def _output(fd: int, stream: TextIO | None) -> Output:
    if stream is None:  # closed at the start; by now, another file may be what has the number
        return Output(None)
    return Output(fd, stream.encoding if os.isatty(fd) else "utf-8")


STDOUT = _output(1, sys.__stdout__)
STDERR = _output(2, sys.__stderr__)


def flush() -> None:
    """Have all written before the process ends; readers may take a second, all together."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(getattr(stream, "buffer", None), Stream):
            stream.flush()  # a print() without an end of line
    end = time.monotonic() + LONGEST_FLUSH
    for output in (STDOUT, STDERR):
        output.flush(end)


atexit.register(flush)
for _each in (STDOUT, STDERR):
    os.register_at_fork(
        before=_each.before_fork,
        after_in_parent=_each.after_fork_in_parent,
        after_in_child=_each.begin,
    )


def install() -> None:
    """Have Python write to these."""
    # A socket must not become what others take for the stdout that was closed at the start.
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)
    sys.stdout, sys.stderr = text(STDOUT, "<stdout>"), text(STDERR, "<stderr>")


def text(output: Output, name: str) -> TextIO:
    """Return a text stream, each line of which goes to the output when it is whole."""
    raw: Any = Stream(output, name)
    return io.TextIOWrapper(raw, output.encoding, "backslashreplace", line_buffering=True)
