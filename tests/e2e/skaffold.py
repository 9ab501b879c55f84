"""Drives skaffold on a copy of the repository, because its tests edit the code."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
import yaml

from .app import Http
from .cluster import Cluster
from .commands import run
from .kustomization import ROOT
from .waiting import eventually

LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache")
CONFIG = "global: {collect-metrics: false, survey: {disable-prompt: true}}"
BUILD = 300  # seconds for both images from nothing, on a slow network
SAVED = 20  # seconds from saving a file to its being served, 3 to 5 on an idle machine


@dataclass(frozen=True)
class Skaffold:
    """skaffold, started in a copy of the repository."""

    folder: Path
    cluster: Cluster

    @classmethod
    def on_copy(cls, directory: Path, cluster: Cluster) -> "Skaffold":
        shutil.copytree(ROOT, directory / "copy", ignore=LEFT_OUT)
        (directory / "config").write_text(CONFIG)
        return cls(directory / "copy", cluster)

    @property
    def env(self) -> Mapping[str, str]:
        """Nothing of the user's: neither the context nor what skaffold keeps at home."""
        return {
            **self.cluster.env,
            "SKAFFOLD_KUBE_CONTEXT": self.cluster.context,
            "SKAFFOLD_CONFIG": str(self.folder.with_name("config")),
            "SKAFFOLD_CACHE_FILE": str(self.folder.with_name("cache")),
            "SKAFFOLD_UPDATE_CHECK": "false",
        }

    def __call__(self, line: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a line as it is typed in the repository's folder."""
        with chdir(self.folder):
            return run("sh", "-c", line, env=self.env, seconds=BUILD, **options)

    def rendered(self, profile: str = "") -> dict[tuple[str, str], dict]:
        """Return the objects that skaffold would deploy, by kind and name."""
        # A file, because there is more than manifests on stdout.
        file = self.folder.with_name("rendered.yaml")
        self(f"skaffold render --digest-source=none --profile={profile} --output={file}")
        return by_name(file.read_text())

    @contextmanager
    def dev(self) -> Iterator["Dev"]:
        """Keep `skaffold dev` running, from when it watches the files to Ctrl-C."""
        log = self.folder.with_name("dev.log")
        with chdir(self.folder), log.open("wb") as output:
            process = subprocess.Popen(
                ("skaffold", "dev"),
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        dev = Dev(self.folder, log, process)
        try:
            eventually(dev.watches, seconds=BUILD)
            yield dev
        finally:
            dev.stop()


def by_name(manifests: str) -> dict[tuple[str, str], dict]:
    """Return the objects of a stream of YAML by kind and name."""
    objects = filter(None, yaml.safe_load_all(manifests))
    return {(item["kind"], item["metadata"]["name"]): item for item in objects}


@dataclass(frozen=True)
class Dev:
    """A running `skaffold dev`, the folder it watches and what it prints."""

    folder: Path
    log: Path
    process: subprocess.Popen

    def printed(self) -> str:
        return self.log.read_text(errors="replace")

    def tail(self) -> str:
        """Return the end of what was printed, without what each request adds."""
        lines = self.printed().splitlines()
        told = [line for line in lines if not re.search('"DEBUG"|gunicorn.access', line)]
        return "\n".join(["skaffold dev has printed", *told[-40:]])

    def watches(self) -> None:
        printed = "Watching for changes" in self.printed()
        # Waiting on is of no use when it has ended.
        if not printed and self.process.poll() is not None:
            raise RuntimeError(self.tail())
        assert printed, self.tail()

    def get(self, path: str) -> str:
        """Ask through the port that skaffold forwards, which is down while the server restarts."""
        url = re.findall(r"Port forwarding service/hellopod .* (http://\S+)", self.printed())[-1]
        try:
            return Http(url).get(path).data.decode()
        except urllib3.exceptions.HTTPError as error:
            return f"no answer: {error}"

    def append(self, file: str, text: str) -> None:
        with (self.folder / file).open("a") as code:
            code.write(text)

    def replace(self, file: str, pattern: str, new: str) -> None:
        code, places = re.subn(pattern, new, (self.folder / file).read_text())
        assert places == 1, f"{places} places in {file} match {pattern}"
        (self.folder / file).write_text(code)

    def greet(self, words: str) -> None:
        """Change what `/` says, whatever it says by now."""
        self.replace("service/api.py", r'f".*( \{pod\})', rf'f"{words}\1')

    def serves(self, path: str, text: str) -> None:
        """Wait until an answer contains the text."""

        def edit_is_served() -> None:
            answer = self.get(path)
            assert text in answer, f"{answer}\n{self.tail()}"

        eventually(edit_is_served, seconds=SAVED, every=0.2)

    def prints(self, text: str) -> None:
        """Wait until skaffold, which passes on the server's log, has printed the text."""

        def text_is_printed() -> None:
            assert text in self.printed(), self.tail()

        eventually(text_is_printed, seconds=SAVED, every=0.2)

    def stop(self) -> int:
        """Press Ctrl-C, on which skaffold removes what it has deployed; return its exit code."""
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
            raise
