"""What has to be on the machine; each thing that is missing is said in one sentence."""

import shutil

from .commands import run

INSTALL = {
    "docker": "https://docs.docker.com/engine/install/",
    "kind": "https://kind.sigs.k8s.io/docs/user/quick-start/#installation",
    "kubectl": "https://kubernetes.io/docs/tasks/tools/",
    "curl": "your system's package manager",
}


def missing(context: str | None) -> str | None:
    """Say what this run needs and does not find, or None."""
    # On a kind cluster, the suite's own or the user's, the image is built here and loaded.
    on_kind = context is None or context.startswith("kind-")
    needed = ["kubectl", "curl", *(["docker", "kind"] if on_kind else [])]
    if absent := [program for program in needed if not shutil.which(program)]:
        ways = ", ".join(f"{program} ({INSTALL[program]})" for program in absent)
        return f"not on PATH, but needed here: {ways}"
    if on_kind and run("docker", "info", check=False).returncode:
        return "the Docker daemon does not answer (docker info says why): start it"
    if context and run("kubectl", "config", "get-contexts", context, check=False).returncode:
        return f"no context {context!r} in the kubeconfig: `kubectl config get-contexts` lists them"
    return None
