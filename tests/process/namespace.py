"""Asks a real server in a network namespace of its own: `python -m tests.process.namespace KIND`.

`without-ipv6` is a kernel that knows no IPv6; `ipv4` one in which no interface may have it.
"""

import ctypes
import fcntl
import json
import platform
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.absence import missing
from tests.runtime.gunicorn_process import OURS, SAMPLE, Gunicorn
from tests.runtime.raw import read_response

ALLOW = "where AppArmor forbids them: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
REPOSITORY = Path(__file__).parents[2]
UNSHARE = ("unshare", "--user", "--map-root-user", "--net")
SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFADDR = 0x8913, 0x8914, 0x8916
IFF_UP = 1
LINK_LOCAL = "fe80::1%lo"
HOSTS = ("127.0.0.1", "::1", LINK_LOCAL)
TRUSTED = "127.0.0.0/8,fe80::/10"


def need(*command: str) -> None:
    """Go on if this makes namespaces; in CI it has to, elsewhere the test is skipped."""
    if not sys.platform.startswith("linux"):
        pytest.skip("needs network namespaces, and only Linux has them")
    program = shutil.which(command[0])
    tried = subprocess.run([*command, "true"], capture_output=True, text=True) if program else None
    if tried is None or tried.returncode:
        said = tried.stderr.strip() if tried else "not on PATH: apt-get install util-linux"
        missing("unshare with user namespaces", f"{said}; {ALLOW}")


def ask_in(kind: str) -> dict:
    """Return what the program below found out."""
    need(*UNSHARE)
    command = [*UNSHARE, sys.executable, "-m", "tests.process.namespace", kind]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def set_up(kind: str) -> None:
    """Have a loopback interface with addresses of one family or both."""
    if kind == "ipv4":
        for name in ("all", "default", "lo"):
            Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        flags = struct.unpack("16sh14x", fcntl.ioctl(sock, SIOCGIFFLAGS, b"lo".ljust(32, b"\0")))
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags[1] | IFF_UP))
        if kind == "ipv6":  # an interface without an address of IPv4
            family = struct.pack("16sH14x", b"lo", socket.AF_INET)
            fcntl.ioctl(sock, SIOCSIFADDR, family)
    if kind in ("ipv6", "both", "ipv6-only-by-default"):
        address = socket.inet_pton(socket.AF_INET6, LINK_LOCAL.partition("%")[0])
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            index = socket.if_nametoindex("lo")
            fcntl.ioctl(sock, SIOCSIFADDR, struct.pack("16sIi", address, 64, index))
    if kind == "ipv6-only-by-default":
        Path("/proc/sys/net/ipv6/bindv6only").write_text("1")
    if kind == "without-ipv6":
        forbid_ipv6()


def forbid_ipv6() -> None:
    """Have socket(AF_INET6) fail, as on a kernel without: a seccomp filter, for children too."""
    number = {"x86_64": 41, "aarch64": 198}[platform.machine()]
    load, equals, answer = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
    program = b"".join(
        struct.pack("HBBI", *line)
        for line in (
            (load, 0, 0, 0),  # seccomp_data.nr
            (equals, 0, 3, number),
            (load, 0, 0, 16),  # seccomp_data.args[0]
            (equals, 0, 1, socket.AF_INET6),
            (answer, 0, 0, 0x00050000 | 97),  # SECCOMP_RET_ERRNO: EAFNOSUPPORT
            (answer, 0, 0, 0x7FFF0000),  # SECCOMP_RET_ALLOW
        )
    )
    buffer = ctypes.create_string_buffer(program)
    described = struct.pack("HxxxxxxP", 6, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    assert libc.prctl(22, 2, described, 0, 0) == 0, ctypes.get_errno()  # PR_SET_SECCOMP


def ask(host: str, port: int, path: str, head: str = "HTTP/1.1\r\nHost: a") -> list:
    """Return status and body, or the name of the error."""
    try:
        with socket.create_connection((host, port), timeout=10) as sock:
            sock.sendall(f"GET {path} {head}\r\n\r\n".encode())
            status, _, body = read_response(sock)
            return [status, body.decode()]
    except OSError as error:
        return [type(error).__name__, ""]


def main(kind: str) -> None:
    """Print what each address answers."""
    set_up(kind)
    found: dict = {}
    forwarded = "HTTP/1.1\r\nHost: [2001:db8::1]:80\r\nX-Forwarded-For: 2001:db8::7"
    with Gunicorn(*OURS, SAMPLE, TRUSTED_PROXIES=TRUSTED) as server:
        for host in HOSTS:
            found[host] = {
                "probes": [
                    ask(host, port, path)[0]
                    for port in (server.management, server.port)
                    for path in ("/healthz", "/readyz")
                ],
                "identity": ask(host, server.port, "/api/identity"),
                "forwarded": ask(host, server.port, "/api/identity", forwarded),
                "without host": ask(host, server.port, "/api/identity", "HTTP/1.0"),
            }
        found["code"] = server.stop()
        found["lines"] = server.lines
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
