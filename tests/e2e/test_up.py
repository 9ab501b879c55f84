"""make up, again after an edit, and make down: on a kind cluster of their own."""

import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import pytest

from .app import Http
from .browser import Page, chromium
from .commands import run, running
from .kustomization import ROOT
from .waiting import eventually

LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache")
CLUSTER = "hellopod-up"
ALL_OF_IT = 900  # seconds: a cluster, an image and a deployment, with all pulls


@dataclass(frozen=True)
class Clone:
    """A copy of the repository to edit, and a kubeconfig of its own."""

    folder: Path
    port: int

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


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as page:
        yield page


@pytest.fixture(scope="module")
def clone(
    page: Page, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Clone]:
    if pytestconfig.getoption("context"):
        pytest.skip("make up creates a kind cluster")
    folder = tmp_path_factory.mktemp("up") / "copy"
    shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    clone = Clone(folder, port)
    try:
        assert f"{clone.url} reaches all pods" in clone.make("up")
        yield clone
    finally:
        clone.make("down")


def test_the_port_reaches_all_pods(clone: Clone, page: Page) -> None:
    def all_pods_are_shown() -> None:
        assert len(clone.pods()) >= 2  # the autoscaler adds the second within 15 s
        assert set(page.tiles()) == clone.pods()

    page.open(clone.url)
    eventually(all_pods_are_shown, seconds=120)

    assert page.console() == []


def test_up_again_after_an_edit_rolls_over(clone: Clone, page: Page) -> None:
    api = clone.folder / "service/api.py"
    code, places = re.subn("Hello from", "Greetings from", api.read_text())
    assert places == 1
    page.open(clone.url)
    (old,) = eventually(lambda: one(page.versions()), seconds=30)
    api.write_text(code)

    def both_versions_are_shown() -> None:
        assert old in page.versions()
        assert len(page.versions()) == 2

    def only_the_new_one_is_shown() -> None:
        assert old not in page.versions()
        assert len(page.versions()) == 1

    with (
        chdir(clone.folder),
        running("make", "up", until="Waiting for the pods", env=clone.env, seconds=ALL_OF_IT),
    ):
        eventually(both_versions_are_shown, seconds=120, every=0.1)
        eventually(only_the_new_one_is_shown, seconds=120)

    assert Http(clone.url).get("/").data.decode().startswith("Greetings from container ")
    assert page.count("failed") == 0


def test_up_again_without_an_edit_replaces_no_pod(clone: Clone) -> None:
    before = clone.pods()
    assert "is built already" in clone.make("up")

    assert clone.pods() & before == before


def one(versions: set[str]) -> set[str]:
    assert len(versions) == 1
    return versions
