"""A copy of the repository in which somebody works with `make up`."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

from .commands import run
from .waiting import eventually
from .working_copy import WorkingCopy

CLUSTER = "hellopod-up"
ALL_OF_IT = 900  # seconds: a cluster, an image and a deployment, with all pulls


@dataclass(frozen=True)
class Clone:
    """A copy of the repository to edit, and a kubeconfig of its own."""

    copy: WorkingCopy
    port: int

    @classmethod
    def under(cls, directory: Path) -> "Clone":
        with socket.create_server(("127.0.0.1", 0)) as free:
            return cls(WorkingCopy.under(directory), free.getsockname()[1])

    @property
    def folder(self) -> Path:
        return self.copy.folder

    @property
    def env(self) -> dict[str, str]:
        return {
            "KIND_CLUSTER_NAME": CLUSTER,
            "KUBECONFIG": str(self.folder.with_name("kubeconfig")),
            "UP_PORT": str(self.port),
            "URL": "/version",  # for make load: an endpoint that every fork has
        }

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def make(self, target: str) -> str:
        with chdir(self.folder):
            return run("make", target, env=self.env, seconds=ALL_OF_IT).stdout

    def interrupt(self, target: str, once: Callable[[str], None]) -> tuple[int, str]:
        """Make a target, and press Ctrl-C once no assert about what it has printed fails.

        Return its exit code and all that it printed.
        """
        printed = self.folder.with_name(f"{target}.log")
        with printed.open("wb") as output:
            process = subprocess.Popen(
                ("make", target),
                cwd=self.folder,
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a terminal has all of them in one group
            )
        try:
            eventually(lambda: once(printed.read_text()), seconds=60)
            os.killpg(process.pid, signal.SIGINT)
            return process.wait(20), printed.read_text()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)

    def pods(self) -> set[str]:
        """Return the names of the service's pods that stay; a fork may have others beside it."""
        columns = "custom-columns=NAME:.metadata.name,GOING:.metadata.deletionTimestamp"
        command = ("kubectl", "--namespace", "hellopod", "get", "pods", "--no-headers")
        selector = "--selector=app.kubernetes.io/name=hellopod"
        lines = run(*command, selector, f"--output={columns}", env=self.env).stdout.splitlines()
        return {line.split()[0] for line in lines if line.split()[1] == "<none>"}
