"""Runs other programs to their end, or beside a test."""

import logging
import os
import re
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .waiting import eventually

log = logging.getLogger(__name__)


class CommandFailed(Exception):
    pass


def run(
    *command: str | Path,
    seconds: float = 60,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
) -> subprocess.CompletedProcess[str]:
    """Run a command. It must end within the seconds."""
    __tracebackhide__ = True
    start = time.monotonic()
    shown = " ".join(shlex.join(map(str, command)).split())
    shown = shown if len(shown) < 200 else shown[:200] + "..."
    try:
        result = subprocess.run(
            command,
            env={**os.environ, **(env or {})},
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as late:
        raise CommandFailed(f"not done after {seconds} s: {shown}\n{late.stderr or ''}") from None
    log.info("%6.1f s  %s", time.monotonic() - start, shown)
    if check and result.returncode:
        output = (result.stdout + result.stderr)[-4000:]
        raise CommandFailed(f"exit code {result.returncode}: {shown}\n{output}")
    return result


@contextmanager
def running(
    *command: str | Path, until: str, env: Mapping[str, str] | None = None, seconds: float = 30
) -> Iterator[re.Match[str]]:
    """Keep a command running beside the test, from when its output matches `until`."""
    with tempfile.NamedTemporaryFile() as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

        def started() -> re.Match[str]:
            text = Path(output.name).read_text()
            match = re.search(until, text)
            assert match, f"{shlex.join(map(str, command))} has printed {text!r}"
            return match

        try:
            yield eventually(started, seconds=seconds, every=0.1)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
