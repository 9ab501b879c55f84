"""Drives skaffold on a copy of the repository, because its tests edit the code."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .cluster import Cluster
from .commands import run
from .dev import Dev
from .waiting import eventually
from .working_copy import WorkingCopy

CONFIG = "global: {collect-metrics: false, survey: {disable-prompt: true}}"
BUILD = 300  # seconds for both images from nothing, on a slow network


@dataclass(frozen=True)
class Skaffold:
    """skaffold, started in a copy of the repository."""

    copy: WorkingCopy
    cluster: Cluster

    @classmethod
    def on_copy(cls, directory: Path, cluster: Cluster) -> "Skaffold":
        (directory / "config").write_text(CONFIG)
        return cls(WorkingCopy.under(directory), cluster)

    @property
    def env(self) -> Mapping[str, str]:
        """Nothing of the user's: neither the context nor what skaffold keeps at home."""
        return {
            **self.cluster.env,
            "SKAFFOLD_KUBE_CONTEXT": self.cluster.context,
            "SKAFFOLD_CONFIG": str(self.beside("config")),
            "SKAFFOLD_CACHE_FILE": str(self.beside("cache")),
            "SKAFFOLD_UPDATE_CHECK": "false",
        }

    def beside(self, name: str) -> Path:
        """Return the place of a file beside the copy."""
        return self.copy.folder.with_name(name)

    def __call__(self, line: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a line as it is typed in the repository's folder."""
        with chdir(self.copy.folder):
            return run("sh", "-c", line, env=self.env, seconds=BUILD, **options)

    def rendered(self, profile: str = "") -> dict[tuple[str, str], dict]:
        """Return the objects that skaffold would deploy, by kind and name."""
        # A file, because there is more than manifests on stdout.
        file = self.beside("rendered.yaml")
        self(f"skaffold render --digest-source=none --profile={profile} --output={file}")
        return by_name(file.read_text())

    @contextmanager
    def session(self) -> Iterator["Session"]:
        """Keep `skaffold dev` running, from when it watches the files to Ctrl-C."""
        log = self.beside("dev.log")
        with chdir(self.copy.folder), log.open("wb") as output:
            process = subprocess.Popen(
                ("skaffold", "dev"),
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        session = Session(log, process)
        try:
            eventually(session.watches, seconds=BUILD)
            yield session
        finally:
            session.stop()

    @contextmanager
    def dev(self) -> Iterator[Dev]:
        """Keep `skaffold dev` running; it sees by itself what is saved."""
        with self.session() as session:
            yield Dev(self.copy, lambda: None, session.url, session.printed)


def by_name(manifests: str) -> dict[tuple[str, str], dict]:
    """Return the objects of a stream of YAML by kind and name."""
    objects = filter(None, yaml.safe_load_all(manifests))
    return {(item["kind"], item["metadata"]["name"]): item for item in objects}


@dataclass(frozen=True)
class Session:
    """A running `skaffold dev`, and what it prints."""

    log: Path
    process: subprocess.Popen

    def printed(self) -> str:
        return self.log.read_text(errors="replace")

    def watches(self) -> None:
        printed = self.printed()
        # Waiting on is of no use when it has ended.
        if "Watching for changes" not in printed and self.process.poll() is not None:
            raise RuntimeError(printed[-4000:])
        assert "Watching for changes" in printed, printed[-4000:]

    def url(self) -> str:
        """Return where it forwards a port of this machine from."""
        return re.findall(r"Port forwarding service/hellopod .* (http://\S+)", self.printed())[-1]

    def stop(self) -> int:
        """Press Ctrl-C. skaffold then removes what it has deployed; return its exit code."""
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
            raise
