"""The service on a kind cluster of its own: make up, make logs, make load, make down."""

import http.client
import os
import re
import socket
import string
import sys
import time
from collections.abc import Mapping
from typing import Any

from local import workloads
from local.image import bare, build, content_tag, hand_over, variable
from local.load import asked, load
from local.logs import follow
from local.steps import ROOT, Failure, need, output, step, works

NAME = "hellopod"
CLUSTER = os.environ.get("KIND_CLUSTER_NAME", NAME)  # kind's own variable
NODE_PORT = "30080/tcp"
CONTEXT = ("--context", f"kind-{CLUSTER}")
ON_CLUSTER = ("kubectl", *CONTEXT)
KUBECTL = (*ON_CLUSTER, "--namespace", NAME)
TYPED = " ".join(KUBECTL)
METRICS_API = (
    "https://github.com/kubernetes-sigs/metrics-server/releases/download/v0.8.1/components.yaml"
)
IMAGE = re.compile(r"(?m)^([ -]*image: )(\S+)$")  # in rendered manifests
# The certificate of a kind node's kubelet is signed by itself.
INSECURE = (
    '[{"op": "add", "path": "/spec/template/spec/containers/0/args/-", '
    '"value": "--kubelet-insecure-tls"}]'
)


def up() -> None:
    """Bring the cluster up if there is none, and the service as it stands in the working tree."""
    need("docker", "kind", "kubectl")
    if CLUSTER not in output("kind", "get", "clusters").split():
        create(os.environ.get("UP_PORT", "8080"))
    if not works("kubectl", "config", "get-contexts", CONTEXT[1]):
        export = ("kind", "export", "kubeconfig", "--name", CLUSTER)
        step("Finding the cluster", *export, failing="kubectl does not know the cluster: make down")
    tag = content_tag(ROOT)
    build(f"{NAME}:{tag}", tag)
    step(
        "Handing it to the node",
        *("kind", "load", "docker-image", f"{NAME}:{tag}", "--name", CLUSTER),
        failing="the node did not take the image; make down, then make up",
    )
    provide_metrics_api()
    deploy(tag)
    address = url()
    reach(address)
    print(farewell(address))


def create(port: str) -> None:
    """Create the cluster, with a port of localhost that leads to the service."""
    check_port(port)
    configuration = string.Template((ROOT / "local/kind.yaml").read_text())
    image = os.environ.get("KIND_NODE_IMAGE")
    step(
        f"Creating the kind cluster {CLUSTER}",
        *("kind", "create", "cluster", "--name", CLUSTER, "--config", "-", "--wait", "180s"),
        *(("--image", image) if image else ()),
        given=configuration.substitute(PORT=port),
        failing="the cluster did not come up; docker ps shows whether its node runs; make down",
    )


def check_port(port: str) -> None:
    """Raise Failure unless something can listen there."""
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", int(port)))
    except (OSError, ValueError, OverflowError):
        raise Failure(f"port {port} cannot be used; take another: make up UP_PORT=8081") from None


def provide_metrics_api() -> None:
    """Install metrics-server if nothing serves its API: without it the autoscaler is blind."""
    if works(*ON_CLUSTER, "get", "apiservice", "v1beta1.metrics.k8s.io"):
        return
    failing = "metrics-server was not installed; is the network there? then make up"
    kube_system = (*ON_CLUSTER, "--namespace", "kube-system")
    patch = ("patch", "deployment/metrics-server", "--type=json", f"--patch={INSECURE}")
    step("Installing metrics-server", *kube_system, "apply", "-f", METRICS_API, failing=failing)
    step("Having it trust the node", *kube_system, *patch, failing=failing)


def deploy(tag: str) -> None:
    """Apply the manifests with this image; wait until all pods are of it, and for what is beside.

    What is beside the service may stay unready: that is said, and is no failure.
    """
    rendered = output("kubectl", "kustomize", str(ROOT / "k8s/overlays/local"))
    manifests = with_images(rendered, tag, os.environ)
    images = {match[2] for match in IMAGE.finditer(manifests)}
    hand_over(sorted(images - {f"{NAME}:{tag}"}), CLUSTER)
    step(
        "Deploying",
        *(*ON_CLUSTER, "apply", "-f", "-"),
        given=manifests,
        failing="the manifests were refused; kubectl kustomize k8s/overlays/local shows them",
    )
    try:
        await_rollout(manifests)
        unready = workloads.wait(ON_CLUSTER, manifests, NAME)
    except Failure:
        explain(workloads.unready(ON_CLUSTER, manifests))
        raise
    explain(unready)


def await_rollout(manifests: str) -> None:
    """Wait until all pods of the service are of the latest template and Ready."""
    deployment, within = f"deployment/{NAME}", "--timeout=180s"
    failing = (
        "the new pods are not Ready; old ones, if there are any, still serve; "
        f"see: {TYPED} get pods"
    )
    # Where pods were late before, the status fails at once, even if what kept them is mended.
    if works(*KUBECTL, "wait", deployment, "--for=condition=Progressing=False", "--timeout=0"):
        explain(workloads.unready(ON_CLUSTER, manifests))
        progress = (*KUBECTL, "wait", deployment, "--for=condition=Progressing", within)
        step("Waiting for pods that are late", *progress, failing=failing)
    status = (*KUBECTL, "rollout", "status", deployment, within)
    step("Waiting for the pods", *status, failing=failing)


def explain(unready: list[dict[str, Any]]) -> None:
    """Say why these are not ready."""
    for line in workloads.explained(ON_CLUSTER, CLUSTER, unready):
        print(line, file=sys.stderr, flush=True)


def with_images(manifests: str, tag: str, environ: Mapping[str, str]) -> str:
    """Put the image of this tag into the rendered manifests, and those that variables name.

    POSTGRES_IMAGE replaces any image called postgres, whatever its registry and tag are.
    """

    def replace(match: re.Match[str]) -> str:
        image = match[2]
        if bare(image) == NAME:
            return f"{match[1]}{image.partition(':')[0]}:{tag}"
        return match[1] + environ.get(variable(image), image)

    return IMAGE.sub(replace, manifests)


def url() -> str:
    """Return the service's address; raises Failure where there is no cluster."""
    mapped = output("docker", "port", f"{CLUSTER}-control-plane", NODE_PORT)
    if not mapped:
        raise Failure(f"there is no cluster {CLUSTER} with a port for the service; type: make up")
    return f"http://localhost:{mapped.split()[0].rpartition(':')[2]}"


def reach(address: str, seconds: float = 30) -> None:
    """Wait until the port leads to a pod: the node hears of it a moment after it is Ready."""
    deadline = time.monotonic() + seconds
    while True:
        connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=2)
        try:
            connection.request("GET", "/readyz")
            connection.getresponse().read()
            return
        except (OSError, http.client.HTTPException):
            if time.monotonic() > deadline:
                raise Failure(f"{address} does not answer; see: {TYPED} get pods") from None
            time.sleep(0.2)
        finally:
            connection.close()


def farewell(address: str) -> str:
    """Say where it is and what to try. A fork may have no page any more."""
    page = (ROOT / "service/page.py").exists()
    look = "open it in a browser, or curl it" if page else f"curl {address}/version"
    load = "make load" if page else "make load URL=/version"
    return f"""
{address} reaches all pods: {look}
  make up      again after an edit: the new version takes over, pod by pod
  {load:12} and watch pods being added
  make logs    of all pods, also of those that come later
  {TYPED} get pods
  make down    removes the cluster"""


def logs() -> None:
    """Follow the logs of all pods."""
    url()  # is there a cluster?
    follow(KUBECTL, NAME)


def put_load() -> None:
    """Send the requests that the variables of local/load.py ask for."""
    request = asked(dict(os.environ))  # before it looks for the cluster: it may be wrong
    load(url(), KUBECTL, NAME, request)


def down() -> None:
    """Remove the cluster, if there is one."""
    need("docker", "kind")
    step(
        f"Removing the kind cluster {CLUSTER}",
        *("kind", "delete", "cluster", "--name", CLUSTER),
        failing=f"it was not removed; see: docker ps --filter name={CLUSTER}-control-plane",
    )


def main(what: str) -> None:
    """Do one of the commands; a failure is one sentence."""
    commands = {"up": up, "down": down, "logs": logs, "load": put_load}
    try:
        commands[what]()
    except Failure as failure:
        sys.exit(f"make {what}: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main(sys.argv[1])
