"""The cluster to test on: a kind cluster of the suite's own, or a namespace on somebody else's."""

import logging
import os
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes import client, config

from .commands import CommandFailed, run
from .duration import FULL
from .kustomization import ROOT, overlay

NAME = "hellopod-e2e"
CONFIGURATION = Path(__file__).with_name("kind.yaml").read_text()
# The autoscaler decides each 5 s and not each 15 s: many tests wait for it.
HURRIED = """
kubeadmConfigPatches:
  - |
    kind: ClusterConfiguration
    controllerManager: {extraArgs: {horizontal-pod-autoscaler-sync-period: 5s}}
"""
# Every node takes from limits that the whole machine shares, with other clusters too.
INOTIFY = "https://kind.sigs.k8s.io/docs/user/known-issues/#pod-errors-due-to-too-many-open-files"

# What has been loaded where: context, kubeconfig, name and id. kind itself looks with crictl, which
# a node image need not have; without it kind loads again what is there.
LOADED: set[tuple[str, Path | None, str, str]] = set()

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cluster:
    """A context of a kubeconfig file, and what is deployed there into which namespace."""

    context: str
    kubeconfig: Path | None  # None: where kubectl looks by itself
    namespace: str
    kustomization: Path

    @property
    def env(self) -> Mapping[str, str]:
        """What programs need in their environment to find the context."""
        return {"KUBECONFIG": str(self.kubeconfig)} if self.kubeconfig else {}

    @property
    def kind_name(self) -> str | None:
        """The name by which kind knows this cluster, if it is kind's."""
        kind, _, name = self.context.partition("kind-")
        return name if not kind and name else None

    def client(self) -> client.ApiClient:
        """Return a client of this context's API server."""
        file = str(self.kubeconfig) if self.kubeconfig else None
        return config.new_client_from_config(config_file=file, context=self.context)

    def kubectl(
        self, *arguments: str | Path, namespace: str | None = "", **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl, in the suite's namespace or another; with None it finds it by itself."""
        namespace = self.namespace if namespace == "" else namespace
        place = ("--namespace", namespace) if namespace else ()
        command = ("kubectl", "--context", self.context, *place, *arguments)
        return run(*command, env=self.env, **options)

    def apply(self) -> str:
        """Apply the kustomization as a user does, without a namespace; return kubectl's lines."""
        return self.kubectl("apply", "-k", self.kustomization, namespace=None).stdout

    def delete(self) -> None:
        """Delete what `apply` made."""
        self.kubectl("delete", "-k", self.kustomization, namespace=None, seconds=180)

    def remove_namespace(self, wait: bool = True) -> None:
        """Remove the namespace and all that is in it."""
        waits = f"--wait={str(wait).lower()}"
        arguments = ("delete", "namespace", self.namespace, "--ignore-not-found", waits)
        self.kubectl(*arguments, namespace=None, seconds=180)

    def load(self, *images: str) -> None:
        """Hand images to the nodes: they cannot pull them. At once, what they share goes once."""
        command = ("docker", "image", "inspect", "--format", "{{.Id}}", *images)
        found = zip(images, run(*command).stdout.split(), strict=True)
        place = (self.context, self.kubeconfig)
        if new := {(*place, *one) for one in found} - LOADED:
            names = (name for _, _, name, _ in sorted(new, key=str))
            run("kind", "load", "docker-image", *names, "--name", self.kind_name or "", seconds=300)
            LOADED.update(new)

    def wait_for_nodes(self) -> None:
        """Wait until all nodes are Ready. They take images before they are."""
        try:
            # kind's own --wait looks at the control plane alone, and only warns.
            ready = ("--for=condition=Ready", "--timeout=180s")
            self.kubectl("wait", "nodes", "--all", *ready, namespace=None, seconds=200)
        except CommandFailed as failure:
            pods = self.kubectl("get", "pods", "--all-namespaces", namespace=None)
            failure.add_note(pods.stdout)
            failure.add_note(f"Logs that say 'too many open files': {INOTIFY}")
            raise


@contextmanager
def own(
    directory: Path,
    image: str | None,
    keep: bool,
    name: str = NAME,
    configuration: str = CONFIGURATION,
) -> Iterator[Cluster]:
    """Create the suite's kind cluster, or another one, and delete it in the end.

    Its kubeconfig is a file of its own, so that the user's current context stays.
    """
    kubeconfig = directory / "kubeconfig"
    kustomization = overlay(directory, "hellopod", image) if image else ROOT
    delete(kubeconfig, name)  # what an earlier run left, that was killed or kept it
    try:
        file = directory / "kind.yaml"
        file.write_text(configuration + ("" if FULL else HURRIED))
        create(kubeconfig, name, file)
        yield Cluster(f"kind-{name}", kubeconfig, "hellopod", kustomization)
    finally:
        if keep:
            log.info("kept the cluster: kind export kubeconfig --name %s", name)
        else:
            delete(kubeconfig, name)


def create(kubeconfig: Path, name: str, configuration: Path) -> None:
    node_image = os.environ.get("KIND_NODE_IMAGE")
    run(
        *("kind", "create", "cluster", "--name", name, "--config", configuration),
        *("--kubeconfig", kubeconfig),
        *(("--image", node_image) if node_image else ()),
        seconds=600,  # with a pull of the node image
    )


def delete(kubeconfig: Path, name: str) -> None:
    run("kind", "delete", "cluster", "--name", name, "--kubeconfig", kubeconfig, seconds=120)


@contextmanager
def foreign(context: str, directory: Path, image: str | None, keep: bool) -> Iterator[Cluster]:
    """Use a namespace of the suite's own on the user's cluster and delete it in the end."""
    namespace = f"{NAME}-{secrets.token_hex(4)}"
    cluster = Cluster(context, None, namespace, overlay(directory, namespace, image))
    # Refused if it exists: after this line the namespace is ours to delete.
    cluster.kubectl("create", "namespace", namespace, "--save-config")
    try:
        yield cluster
    finally:
        if keep:
            log.info("kept namespace %s", namespace)
        else:
            cluster.remove_namespace()


def found(context: str, namespace: str | None) -> Cluster:
    """Return a namespace with what somebody else has deployed there, to read only."""
    return Cluster(context, None, namespace or "hellopod", ROOT)
