"""What `skaffold dev` does, by docker, kind and kubectl: skaffold.yaml says what, and this how.

Its way of replacing code in a container, found in its source, is one kubectl for what was written
and one for what was removed:
https://github.com/GoogleContainerTools/skaffold/blob/v2.16.1/pkg/skaffold/sync/kubectl.go
"""

import glob
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from kubernetes import client

from .app import NAME, SOON, App
from .beside import DEV
from .cluster import Cluster
from .commands import running
from .dev import Dev
from .kustomization import build, overlay
from .waiting import eventually
from .working_copy import WorkingCopy


@dataclass(frozen=True)
class Profile:
    """What the profile `dev` in skaffold.yaml asks for."""

    target: str  # of the Dockerfile
    manifests: str  # a kustomization
    rules: list[dict[str, str]]  # which files are synced, and where to

    @classmethod
    def of(cls, folder: Path) -> "Profile":
        """Read it."""
        content = yaml.safe_load((folder / "skaffold.yaml").read_text())
        [profile] = [one for one in content["profiles"] if one["name"] == "dev"]
        [artifact] = profile["build"]["artifacts"]
        [manifests] = profile["manifests"]["kustomize"]["paths"]
        return cls(artifact["docker"]["target"], manifests, artifact["sync"]["manual"])

    def files(self, folder: Path) -> dict[str, Path]:
        """Return the files of a folder that are synced, by their places in the container."""
        return {
            str(PurePosixPath(rule["dest"], name)): folder / name
            for rule in self.rules
            for name in glob.glob(rule["src"], root_dir=folder, recursive=True)
            if (folder / name).is_file()
        }


@dataclass
class Sync:
    """Replaces in a pod what has changed in a folder since the last time."""

    folder: Path
    profile: Profile
    cluster: Cluster
    pod: str
    sent: dict[str, bytes] = field(init=False)  # what is in the pod, by place

    def __post_init__(self) -> None:
        self.sent = self.saved()

    def saved(self) -> dict[str, bytes]:
        """Return what is in the folder, by its place in the container."""
        files = self.profile.files(self.folder)
        return {place: source.read_bytes() for place, source in files.items()}

    def __call__(self) -> None:
        """Send what was written, and remove what was removed."""
        saved = self.saved()
        if written := {place for place in saved if saved[place] != self.sent.get(place)}:
            self.send(written)
        if removed := self.sent.keys() - saved.keys():
            self.exec("rm", "-rf", "--", *removed)
        self.sent = saved

    def send(self, places: set[str]) -> None:
        """Unpack files in the container, under their absolute names, with their modes here."""
        files = self.profile.files(self.folder)
        with tempfile.TemporaryFile() as stream:
            with tarfile.open(fileobj=stream, mode="w") as archive:
                for place in places:
                    header = archive.gettarinfo(files[place])
                    header.name = place
                    with files[place].open("rb") as content:
                        archive.addfile(header, content)
            stream.seek(0)
            self.exec("tar", "xmf", "-", "-C", "/", "--no-same-owner", stdin=stream)

    def exec(self, *command: str, **options: Any) -> None:
        """Run a command in the container, as the user of the server."""
        place = ("exec", self.pod, "--container", NAME, "--stdin", "--")
        self.cluster.kubectl(*place, *command, **options)


@contextmanager
def dev(directory: Path, cluster: Cluster) -> Iterator[Dev]:
    """Keep the pod running, in the cluster's namespace. The namespace must not exist yet."""
    copy = WorkingCopy.under(directory)
    profile = Profile.of(copy.folder)
    build(DEV, profile.target)
    cluster.load(DEV)
    applied = overlay(directory, cluster.namespace, DEV, copy.folder / profile.manifests)
    cluster.kubectl("apply", "-k", applied, namespace=None)
    proxy = ("kubectl", "--context", cluster.context, "proxy", "--port=0")
    try:
        app = App(cluster.client(), cluster.namespace, least=1)
        eventually(app.settled, seconds=180)
        [pod] = app.ready()
        with running(*proxy, until=r"127\.0\.0\.1:\d+", env=cluster.env) as address:
            # To the pod, as skaffold forwards its port: a Service waits until it is Ready again.
            url = f"http://{address[0]}/api/v1/namespaces/{app.namespace}/pods/{pod}:8000/proxy"
            sync = Sync(copy.folder, profile, cluster, pod)
            yield Dev(copy, sync, lambda: url, lambda: log(app, pod))
    finally:
        # Nobody waits for its end: the last of the suite was here.
        cluster.remove_namespace(wait=False)


def log(app: App, pod: str) -> str:
    """Return all that the container has printed."""
    core = client.CoreV1Api(app.api)
    response = core.read_namespaced_pod_log(pod, app.namespace, _preload_content=False, **SOON)
    return response.data.decode(errors="replace")
