"""A copy of the repository in which somebody works with `make up`."""

import re
import shutil
import socket
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

from .commands import run
from .kustomization import ROOT

LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache")
CLUSTER = "hellopod-up"
ALL_OF_IT = 900  # seconds: a cluster, an image and a deployment, with all pulls


@dataclass(frozen=True)
class Clone:
    """A copy of the repository to edit, and a kubeconfig of its own."""

    folder: Path
    port: int

    @classmethod
    def under(cls, directory: Path) -> "Clone":
        folder = directory / "copy"
        shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
        with socket.create_server(("127.0.0.1", 0)) as free:
            return cls(folder, free.getsockname()[1])

    @property
    def env(self) -> dict[str, str]:
        return {
            "KIND_CLUSTER_NAME": CLUSTER,
            "KUBECONFIG": str(self.folder.with_name("kubeconfig")),
            "UP_PORT": str(self.port),
        }

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def make(self, target: str) -> str:
        with chdir(self.folder):
            return run("make", target, env=self.env, seconds=ALL_OF_IT).stdout

    def pods(self) -> set[str]:
        """Return the names of the pods that stay."""
        columns = "custom-columns=NAME:.metadata.name,GOING:.metadata.deletionTimestamp"
        command = ("kubectl", "--namespace", "hellopod", "get", "pods", "--no-headers")
        lines = run(*command, f"--output={columns}", env=self.env).stdout.splitlines()
        return {line.split()[0] for line in lines if line.split()[1] == "<none>"}

    def greet(self, words: str) -> None:
        """Change what `/` says."""
        api = self.folder / "service/api.py"
        code, places = re.subn(r'f"\w+ from', f'f"{words} from', api.read_text())
        assert places == 1
        api.write_text(code)
