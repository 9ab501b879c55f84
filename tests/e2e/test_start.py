"""The start of a pod: how long it takes, what it says, and what it writes."""

import json
import logging
import statistics

import pytest

from . import logs
from .app import App
from .cluster import Cluster
from .commands import run
from .duration import FULL
from .kustomization import image_of
from .starting import STARTED, start_to_ready

PODS = 10 if FULL else 1  # replaced one after the other
ALLOWED = ("/tmp", "/dev/shm")  # noqa: S108
LONGEST = 10  # seconds from the container's start to Ready, also on a busy machine
# Waits until the server answers, then lists what is younger than process 1.
WRITTEN = f"""{STARTED}
import json, urllib.request
for _ in range(300):
    try:
        urllib.request.urlopen("http://127.0.0.1:8000/version", timeout=5).read()
        break
    except OSError:
        time.sleep(0.1)
else:
    raise SystemExit("no answer")
# The kubelet's and Docker's files, mounted a moment before the start.
others = ("/proc", "/sys", "/etc/host", "/etc/resolv.conf", "/dev/termination-log")
paths = (os.path.join(top, name) for top, _, names in os.walk("/") for name in names)
ours = [path for path in paths if not path.startswith(others) and os.access(path, os.W_OK)]
files = [path for path in ours if os.path.isfile(path)]
print(json.dumps([path for path in files if os.stat(path).st_mtime >= start]))
"""

log = logging.getLogger(__name__)


def test_container_start_to_ready(app: App, cluster: Cluster) -> None:
    if not cluster.kind_name:
        pytest.skip("needs the clock of the nodes")
    seconds = []
    for _ in range(PODS):
        pod, took = start_to_ready(app, cluster)
        assert_quiet(app, pod)
        seconds.append(took)

    found = ", ".join(f"{took:.1f}" for took in seconds)
    log.info("container start to Ready: median %.1f s of %s", statistics.median(seconds), found)
    assert max(seconds) <= LONGEST


def assert_quiet(app: App, pod: str) -> None:
    """Assert that its log has nothing to complain of."""
    found = logs.records(app, pod)
    assert found
    assert logs.complaints(found) == []


def test_pods_write_only_where_they_may(app: App, cluster: Cluster) -> None:
    for pod in app.ready():
        written = cluster.kubectl("exec", pod, "--", "python", "-c", WRITTEN).stdout

        assert all(path.startswith(ALLOWED) for path in json.loads(written)), written


def test_nothing_is_written_where_all_is_allowed(cluster: Cluster) -> None:
    if not cluster.kind_name:
        pytest.skip("the image of somebody else's cluster need not be on this machine")
    image = image_of(cluster.kustomization)
    container = run("docker", "run", "--detach", image).stdout.strip()
    try:
        run("docker", "exec", container, "python", "-c", WRITTEN)
        changed = run("docker", "diff", container).stdout.split("\n")
    finally:
        run("docker", "rm", "--force", container)

    # "A /tmp/x": added, changed or deleted.
    assert [line for line in changed if line and not line[2:].startswith(ALLOWED)] == []
