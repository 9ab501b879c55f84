"""HTTPS with the component tls, and a Secret that is renewed under it."""

import hashlib
import json
import logging
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from . import inside, variant
from .app import NAME, SOON, App
from .cluster import Cluster
from .commands import CommandFailed
from .duration import FULL
from .waiting import eventually

SECRET = "hellopod-tls"  # noqa: S105
LONGEST = 150  # seconds; a kubelet that is not hurried looks at Secrets about once a minute
# Asks all the time: on one connection that it keeps, and on new ones, each perhaps to another pod.
# Ends when every pod serves the certificate that it is told of, and prints what it has seen.
CLIENT = """
import hashlib, ssl
context = ssl.create_default_context(cadata=plan["authority"])
request = f"GET /api/identity HTTP/1.1\\r\\nHost: {plan['host']}\\r\\n\\r\\n".encode()

def connect():
    sock = socket.create_connection((plan["host"], 443), timeout=10)
    return context.wrap_socket(sock, server_hostname=plan["host"])

def ask(sock):
    sock.sendall(request)
    data = b""
    while not data.endswith(b"}\\n"):
        piece = sock.recv(65536)
        if not piece:
            raise OSError(f"the connection ended after {data!r}")
        data += piece
    if not data.startswith(b"HTTP/1.1 200 "):
        raise OSError(repr(data))
    return json.loads(data.partition(b"\\r\\n\\r\\n")[2])

def certificate(sock):
    return hashlib.sha256(sock.getpeercert(binary_form=True)).hexdigest()

kept = connect()
seen = {"asked": 0, "failures": [], "first": certificate(kept), "at": {}, "serves": {}}
start = time.monotonic()
open(plan["begun"], "w").close()
while time.monotonic() - start < plan["seconds"]:
    try:
        ask(kept)
        with connect() as sock:
            pod = ask(sock)["pod"]
            found = certificate(sock)
    except OSError as error:
        seen["failures"].append(repr(error))
        break
    seen["asked"] += 2
    if found == plan["wanted"]:
        seen["at"].setdefault(pod, time.monotonic() - start)
    seen["serves"][pod] = found
    if len(seen["at"]) == plan["pods"]:
        break
    time.sleep(0.1)
else:
    seen["failures"].append("out of time")
print(json.dumps(seen))
"""

log = logging.getLogger(__name__)


class Issuer:
    """An authority whose certificates are for the Service."""

    def __init__(self, namespace: str) -> None:
        import trustme  # not above: the image that runs the smoke tests has none

        self.host = f"{NAME}.{namespace}.svc"
        self.authority = trustme.CA()

    @property
    def pem(self) -> str:
        return self.authority.cert_pem.bytes().decode()

    def secret(self) -> tuple[dict[str, Any], str]:
        """Return a Secret with a new certificate, and the certificate's fingerprint."""
        leaf = self.authority.issue_cert(self.host)
        files = {
            "tls.crt": "".join(pem.bytes().decode() for pem in leaf.cert_chain_pems),
            "tls.key": leaf.private_key_pem.bytes().decode(),
        }
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": SECRET},
            "stringData": files,
        }
        der = ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())
        return secret, hashlib.sha256(der).hexdigest()


@pytest.fixture(scope="module")
def issuer(app: App) -> Issuer:
    return Issuer(app.namespace)


@pytest.fixture(scope="module")
def first(
    issuer: Issuer, app: App, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """Deploy with the component and a Secret; give the fingerprint of the certificate."""
    directory = tmp_path_factory.mktemp("variant")
    secret, fingerprint = issuer.secret()
    put(cluster, directory, secret)
    changed = variant.Variant(components=("tls",), env={"DRAIN_SECONDS": "1"})
    variant.deploy(app, cluster, directory, changed)
    return fingerprint


def put(cluster: Cluster, directory: Path, secret: dict[str, Any]) -> None:
    """Apply a Secret; from a file, because a command line is for everybody to read."""
    file = directory / "secret.json"
    file.write_text(json.dumps(secret))
    cluster.kubectl("apply", "-f", file)


def hurry(app: App, cluster: Cluster) -> None:
    """Have kubelets look at the Secret now: they do when an annotation of the pod changes.

    https://kubernetes.io/docs/concepts/configuration/configmap/#mounted-configmaps-are-updated-automatically
    """
    for pod in app.ready():
        cluster.kubectl("annotate", "pod", pod, "e2e/hurried=true")


@contextmanager
def asking(issuer: Issuer, app: App, cluster: Cluster, wanted: str) -> Iterator[dict[str, Any]]:
    """Ask the Service for the length of the block, and until all pods serve a certificate."""
    pods = app.ready()
    plan = {
        "authority": issuer.pem,
        "host": issuer.host,
        "pods": len(pods),
        "wanted": wanted,
        "seconds": LONGEST,
        "begun": f"/tmp/{wanted}",  # noqa: S108
    }
    script = f"plan = {plan!r}\n{CLIENT}"
    seen: dict[str, Any] = {}

    def client_is_asking() -> None:
        cluster.kubectl("exec", min(pods), "--", "test", "-f", plan["begun"])

    with ThreadPoolExecutor(1) as beside:
        running = beside.submit(inside.run, cluster, min(pods), script, seconds=LONGEST + 30)
        eventually(client_is_asking, seconds=30, also=(CommandFailed,))
        yield seen
        seen.update(running.result())


def restarts(app: App) -> dict[str, int]:
    return {
        name: sum(status.restart_count for status in pod.status.container_statuses)
        for name, pod in app.ready().items()
    }


def test_https_through_the_service(issuer: Issuer, app: App, cluster: Cluster, first: str) -> None:
    with asking(issuer, app, cluster, first) as seen:
        pass

    assert not seen["failures"]
    assert seen["at"].keys() == app.ready().keys()
    assert set(seen["serves"].values()) == {first}
    [port] = (
        client.CoreV1Api(app.api).read_namespaced_service(NAME, app.namespace, **SOON).spec.ports
    )
    assert (port.name, port.port, port.app_protocol) == ("https", 443, "https")


def test_a_renewed_secret_is_served(
    issuer: Issuer, app: App, cluster: Cluster, first: str, tmp_path: Path
) -> None:
    before = restarts(app)
    secret, second = issuer.secret()
    with asking(issuer, app, cluster, second) as seen:
        put(cluster, tmp_path, secret)
        if not FULL:
            hurry(app, cluster)

    log.info("%d requests, a new certificate served after %s s", seen["asked"], seen["at"])
    assert not seen["failures"]
    assert seen["first"] == first  # of the connection that was kept
    assert set(seen["serves"].values()) == {second}
    assert restarts(app) == before == dict.fromkeys(before, 0)
    core = client.CoreV1Api(app.api)
    for pod in app.ready():
        text = core.read_namespaced_pod_log(pod, app.namespace, **SOON)
        assert text.count("serving a new certificate, valid until ") == 1
