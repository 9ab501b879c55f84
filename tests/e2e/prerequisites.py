"""What all tests need; each thing that is missing is said in one sentence."""

import shutil
from urllib.parse import urlsplit

import urllib3

from .app import NAME, Http
from .commands import run

INSTALL = {
    "docker": "https://docs.docker.com/engine/install/",
    "kind": "https://kind.sigs.k8s.io/docs/user/quick-start/#installation",
    "kubectl": "https://kubernetes.io/docs/tasks/tools/",
}


def missing(option: object) -> str | None:
    """Say what a run with these options needs and does not find, or None."""
    if option.url and (option.context or option.read_only or option.namespace):
        return "--url is for an address alone: without --context, --read-only and --namespace"
    if option.url:
        return unreachable(option.url)
    if option.read_only and not option.context:
        return "--read-only is for a cluster that is there already: say which with --context NAME"
    if option.namespace and not option.read_only:
        return "--namespace goes with --read-only: what is deployed here has one of its own"
    return absent(option) or (not_deployed(option) if option.read_only else None)


def absent(option: object) -> str | None:
    """Say which program, or context, is not there."""
    # On a kind cluster, the suite's own or the user's, the image is built here and loaded.
    builds = not option.read_only and (option.context or "kind-").startswith("kind-")
    needed = ["kubectl", *(["docker", "kind"] if builds else [])]
    if programs := [program for program in needed if not shutil.which(program)]:
        ways = ", ".join(f"{program} ({INSTALL[program]})" for program in programs)
        return f"not on PATH, but needed here: {ways}"
    if builds and run("docker", "info", check=False).returncode:
        return "the Docker daemon does not answer (docker info says why): start it"
    context = option.context
    if context and run("kubectl", "config", "get-contexts", context, check=False).returncode:
        return f"no context {context!r} in the kubeconfig: `kubectl config get-contexts` lists them"
    return None


def not_deployed(option: object) -> str | None:
    """Say that there is nothing to test, and what the API server says about it."""
    namespace = option.namespace or NAME
    looks = ("get", f"deployment/{NAME}", "--request-timeout=10s")
    found = run(
        "kubectl", "--context", option.context, "--namespace", namespace, *looks, check=False
    )
    if not found.returncode:
        return None
    reason = (found.stderr.strip().splitlines() or ["no reason given"])[-1]
    return f"no {NAME} to read in the namespace {namespace!r} of {option.context!r}: {reason}"


def unreachable(url: str) -> str | None:
    """Say that a URL is none, or who answers there, if it is not the service."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        return f"--url={url!r} is not allowed: http:// or https://, a host and at most a path"
    try:
        response = Http(url.rstrip("/")).get("/version")
    except urllib3.exceptions.HTTPError as error:
        return f"{url} does not answer: {error}"
    if "X-Pod-Name" not in response.headers:
        return f"{url} answers {response.status} without X-Pod-Name: that is not {NAME}"
    return None
