"""What code may do that runs in a pod as shipped: read from inside the running containers."""

import json

import pytest

from . import inside
from .app import App
from .cluster import Cluster

# Every thread of every process but this script's own: the kernel keeps these for each thread.
THREADS = """
import pathlib
names = ("Uid", "Gid", "Groups", "NoNewPrivs", "Seccomp")
masks = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
found = {}
for status in pathlib.Path("/proc").glob("[0-9]*/task/*/status"):
    if status.parts[2] != str(os.getpid()):
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        seen = {name: fields[name].split() for name in names}
        seen["capabilities"] = {name: int(fields[name], 16) for name in masks}
        found.setdefault(status.parts[2], []).append(seen)
print(json.dumps({"processes": found, "worker": str(worker())}))
"""
# What the kernel would let this user write, with the numbers of what is a device. Not looked at:
# what is below a folder that is found, links, and in /proc what belongs to a process.
WRITABLE = """
import stat
found = {}
def look(path):
    if os.access(path, os.W_OK) and not os.path.islink(path):
        mode = os.lstat(path)
        is_device = stat.S_ISCHR(mode.st_mode) or stat.S_ISBLK(mode.st_mode)
        found[path] = [os.major(mode.st_rdev), os.minor(mode.st_rdev)] if is_device else None
look("/")
for top, folders, files in os.walk("/"):
    if top == "/proc":
        folders[:] = [name for name in folders if not name.isdigit()]
    for name in folders + files:
        look(os.path.join(top, name))
    folders[:] = [name for name in folders if os.path.join(top, name) not in found]
print(json.dumps(found))
"""
WRITE = """
import errno
def write(folder):
    path = os.path.join(folder, "written-by-e2e")
    try:
        open(path, "w").close()
    except OSError as error:
        return errno.errorcode[error.errno]
    os.unlink(path)
    return "written"
folders = ("/", "/app/service", "/opt/venv", "/etc", "/tmp")
print(json.dumps({folder: write(folder) for folder in folders}))
"""
TOKENS = """
found = ["/run/secrets", "/var/run/secrets"]
found = [path for path in found if os.path.exists(path)]
for top, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if (top, name) not in (("/", "proc"), ("/", "sys"))]
    found += [os.path.join(top, name) for name in files if name == "token"]
print(json.dumps(found))
"""
# All sockets that take something from others; TCP's state 0A is LISTEN, and a Unix socket's flag
# 10000 says the same.
LISTENING = """
import glob
found = []
for file in glob.glob("/proc/net/*"):
    kind = os.path.basename(file)
    rows = [line.split() for line in open(file).read().splitlines()[1:]] if kind in KINDS else []
    if kind in ("tcp", "tcp6"):
        rows = [row for row in rows if row[3] == "0A"]
    if kind == "unix":
        found += [["unix", row[-1]] for row in rows if int(row[3], 16) & 0x10000]
    elif kind == "packet":
        found += [["packet", None] for row in rows]
    else:
        found += [[kind, int(row[1].rpartition(":")[2], 16)] for row in rows]
print(json.dumps(found))
"""
KINDS = ["tcp", "tcp6", "udp", "udp6", "udplite", "udplite6", "raw", "raw6", "unix", "packet"]
# Beside the volumes. The container runtime makes the first two, in memory. The container's limit
# counts every byte of them: gunicorn's heartbeat is in /dev/shm, and nobody uses the other one. The
# last is the file in which a container may leave the kubelet a word about its end.
OF_THE_RUNTIME = {"/dev/shm", "/dev/mqueue", "/dev/termination-log"}
# Not every kernel measures this. A process may ask there to be woken when something gets scarce:
# https://www.kernel.org/doc/Documentation/accounting/psi.rst. Nothing is kept.
PRESSURE = {f"/proc/pressure/{name}" for name in ("cpu", "io", "irq", "memory")}
# Writing to one changes nothing: null, zero, full, random, urandom, tty and ptmx, by their numbers
# (https://www.kernel.org/doc/Documentation/admin-guide/devices.txt). What a runtime hides in /proc
# is null too. The terminals are those of `kubectl exec`; 136 is their first major number.
DEVICES = [[1, 3], [1, 5], [1, 7], [1, 8], [1, 9], [5, 0], [5, 2]]
TERMINALS = range(136, 144)


@pytest.fixture(scope="module")
def threads(app: App, cluster: Cluster) -> list[dict]:
    """Give the threads of all server processes, after a look at who the processes are."""
    found = []
    for pod in app.ready():
        seen = inside.run(cluster, pod, THREADS)
        assert seen["processes"].keys() == {"1", seen["worker"]}  # the master, and its only worker
        assert len(seen["processes"][seen["worker"]]) > 10
        found += [thread for of in seen["processes"].values() for thread in of]
    return found


def test_user(threads: list[dict]) -> None:
    for thread in threads:
        # Real, effective, saved, and that of the file system.
        assert thread["Uid"] == thread["Gid"] == ["10001"] * 4
        assert set(thread["Groups"]) <= {"10001"}


def test_no_privileges(threads: list[dict]) -> None:
    for thread in threads:
        assert set(thread["capabilities"].values()) == {0}, thread
        assert thread["NoNewPrivs"] == ["1"]
        assert thread["Seccomp"] == ["2"]  # a filter


def test_only_declared_volumes_are_writable(app: App, cluster: Cluster) -> None:
    for name, pod in app.ready().items():
        [container] = pod.spec.containers
        volumes = {mount.mount_path for mount in container.volume_mounts if not mount.read_only}
        found = inside.run(cluster, name, WRITABLE)
        devices = {path: device for path, device in found.items() if device}

        assert found.keys() - devices.keys() - PRESSURE == volumes | OF_THE_RUNTIME
        assert volumes == {"/tmp"}
        harmless = [device in DEVICES or device[0] in TERMINALS for device in devices.values()]
        assert all(harmless), devices


def test_root_is_read_only(app: App, cluster: Cluster) -> None:
    """It is the mount that refuses, whatever user asks."""
    for name in app.ready():
        tried = inside.run(cluster, name, WRITE)

        assert tried.pop("/tmp") == "written"
        assert set(tried.values()) == {"EROFS"}


def test_no_token(app: App, cluster: Cluster) -> None:
    for name, pod in app.ready().items():
        assert [volume.name for volume in pod.spec.volumes] == ["tmp"]
        assert inside.run(cluster, name, TOKENS) == []


def test_only_two_ports(app: App, cluster: Cluster) -> None:
    for name, pod in app.ready().items():
        [container] = pod.spec.containers
        declared = {port.name: port.container_port for port in container.ports}
        found = inside.run(cluster, name, f"KINDS = {json.dumps(KINDS)}{LISTENING}")

        assert declared == {"http": 8000, "management": 9000}
        # One socket each. Where the cluster has IPv6, it is of IPv6 and takes IPv4 too.
        assert sorted(port for _, port in found) == sorted(declared.values())
        assert {kind for kind, _ in found} <= {"tcp", "tcp6"}
