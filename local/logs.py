"""The logs of all pods, and of those that come later: make logs."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

from local.steps import Failure, output

LATEST = 10  # lines of a pod that is there already, as kubectl shows of each pod of a selector
AGAIN = 1  # seconds until the next watch: the API server ends each after some minutes


def follow(kubectl: tuple[str, ...], name: str) -> None:
    """Print what the pods log, until Ctrl-C.

    `kubectl logs --follow` does not look for new pods. A container is known by its id, so that one
    that was started again is followed too, and no line comes twice.
    """
    print("All pods, also those that come later; Ctrl-C ends it", file=sys.stderr, flush=True)
    known: set[str] = set()
    followers: list[subprocess.Popen[bytes]] = []

    def add(pod: str, container: str, lines: int) -> None:
        if container in known:
            return
        known.add(container)
        options = (f"--container={name}", "--prefix", "--follow", f"--tail={lines}")
        followers[:] = [one for one in followers if one.poll() is None]
        followers.append(subprocess.Popen((*kubectl, "logs", f"pod/{pod}", *options)))

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that kubectl ends with it
    try:
        for pod, container in started(output(*asking(kubectl, name)).splitlines()):
            add(pod, container, LATEST)
        for pod, container in started(watch(asking(kubectl, name, watched=True))):
            add(pod, container, -1)
    finally:
        for one in followers:
            one.terminate()


def asking(kubectl: tuple[str, ...], name: str, watched: bool = False) -> tuple[str, ...]:
    """Return the command that prints a line for each pod: its name, and the container's id."""
    container = f'{{.status.containerStatuses[?(@.name=="{name}")].containerID}}'
    line = f'{{.metadata.name}} {container}{{"\\n"}}'
    template = line if watched else f"{{range .items[*]}}{line}{{end}}"
    command = (
        "get",
        "pods",
        f"--selector=app.kubernetes.io/name={name}",
        f"-o=jsonpath={template}",
    )
    return (*kubectl, *command, *(("--watch",) if watched else ()))


def watch(command: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines of a command, and run it again when it ends; Failure if it fails."""
    while True:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield from process.stdout or ()
            except BaseException:
                process.terminate()
                raise
        if process.returncode:
            raise Failure("the cluster does not answer; docker ps shows whether its node runs")
        time.sleep(AGAIN)


def started(lines: list[str] | Iterator[str]) -> Iterator[tuple[str, str]]:
    """Yield pod and container of each line whose container was started."""
    for line in lines:
        pod, _, container = line.strip().partition(" ")
        if container:
            yield pod, container
