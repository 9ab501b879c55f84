"""What hits more than the request that asks for it; with a real process where it ends one."""

import logging
import os
import resource
import threading
import time
from collections import Counter

import pytest

from service.chaos.pod_faults import SPARED, and_then
from tests.runtime.gunicorn_process import OURS, SAMPLE, Gunicorn
from tests.runtime.raw import connect, eventually, get, metric, read_response

TOKEN = "a-token-for-the-tests"
MIB = 1 << 20


@pytest.fixture
def client(chaos_app):
    return chaos_app.test_client()


def test_readiness(chaos, client):
    assert chaos("readiness/off", "POST").json == {"readiness": "off"}
    refused = client.get("/readyz")
    assert refused.status_code == 503
    assert refused.content_type == "application/problem+json"
    assert client.get("/healthz").status_code == 200
    assert client.get("/").status_code == 200

    assert chaos("readiness/on", "POST").json == {"readiness": "on"}
    assert client.get("/readyz").status_code == 200


def test_fail_all(chaos, client):
    wanted = {"share": 1.0, "status": 503, "seconds": 2.0}
    assert chaos("fail?status=503&seconds=2", "POST").json == wanted
    for path in ("/", "/nothing", "/version"):
        failed = client.get(path)
        assert (failed.status_code, failed.json["detail"]) == (503, "As asked for.")
        assert failed.headers["X-Pod-Name"] and failed.headers["X-Request-ID"]

    eventually(lambda: client.get("/").status_code == 200, 5)


def test_fail_spares_what_shows_it(chaos, client):
    chaos("fail", "POST")

    assert SPARED == {"/healthz", "/readyz", "/metrics", "/api/identity"}
    assert {path: client.get(path).status_code for path in SPARED} == dict.fromkeys(SPARED, 200)
    assert [client.post(path).status_code for path in SPARED] == [405] * len(SPARED)
    assert chaos("wait?seconds=0").status_code == 200
    assert chaos("wait", "PUT").status_code == 405
    assert 'status="500"' not in client.get("/metrics").text
    client.get("/")
    assert 'status="500",url_rule="/"' in client.get("/metrics").text


def test_fail_a_share(chaos, client):
    chaos("fail?share=0.2", "POST")
    found = Counter(client.get("/").status_code for _ in range(400))

    # 80 are expected; less than 30, or more than 150, is a matter of 1 in 10 million.
    assert found.keys() == {200, 500} and 30 < found[500] < 150
    chaos("fail?share=0", "POST")  # ends it
    assert {client.get("/").status_code for _ in range(50)} == {200}


def resident(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_memory_grows_and_is_given_back(chaos):
    before = resident(os.getpid())
    asking = threading.Thread(target=chaos, args=(f"memory?bytes={8 * MIB}&seconds=1.5", "POST"))
    asking.start()
    eventually(lambda: resident(os.getpid()) > before + 7 * MIB, 1)
    refused = chaos("memory?bytes=1", "POST")
    asking.join()

    assert refused.status_code == 409
    assert refused.json["detail"] == f"Other requests hold {8 * MIB} of {8 * MIB} bytes."
    assert resident(os.getpid()) < before + 4 * MIB
    assert chaos("memory?bytes=3&seconds=0", "POST").json == {"held": 3}


def test_memory_that_the_kernel_refuses(chaos):
    size, limits = os.sysconf("SC_PAGE_SIZE"), resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:
        in_use = int(file.read().split()[0]) * size
    resource.setrlimit(resource.RLIMIT_AS, (in_use + 4 * MIB, limits[1]))
    try:
        refused = chaos(f"memory?bytes={8 * MIB}&seconds=0", "POST")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)

    assert (refused.status_code, refused.json["detail"]) == (
        503,
        "No memory: Cannot allocate memory.",
    )
    assert chaos(f"memory?bytes={8 * MIB}&seconds=0", "POST").status_code == 200


def cause(server, fault):
    """Cause a fault; return the answer. It is sent before the fault happens."""
    with connect(server.port) as sock:
        head = f"POST /chaos/{fault} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n"
        sock.sendall(f"{head}Content-Length: 0\r\n\r\n".encode())
        status, _, body = read_response(sock)
        assert sock.recv(1) == b""
    assert status == 202, body
    return body


def test_kill_the_worker():
    """What the whole pod was told survives it, and so do connections that wait."""
    with Gunicorn(*OURS, SAMPLE, CHAOS_TOKEN=TOKEN) as server:
        eventually(lambda: get(server.management, "/readyz")[0] == 200)
        with connect(server.port) as sock:
            sock.sendall(
                f"POST /chaos/fail?share=1 HTTP/1.1\r\nHost: a\r\n"
                f"Authorization: Bearer {TOKEN}\r\nContent-Length: 0\r\n\r\n".encode()
            )
            assert read_response(sock)[0] == 200
        assert cause(server, "kill") == b'{"killed":%d}\n' % server.worker
        started = time.monotonic()

        assert get(server.port, "/api/identity")[0] == 200
        assert get(server.port, "/")[0] == 500
        assert time.monotonic() - started < 5
        assert metric(server.management, "hellopod_worker_restarts_total") == 1
        assert server.wait_for(f"worker {server.worker} kills itself, as asked for")
        assert server.wait_for('"path": "/chaos/kill", "status": 202')
        assert server.stop() == 0


def test_the_log_has_everything_before_the_end(chaos_app):
    seen = []

    class Handler(logging.NullHandler):
        def flush(self):
            seen.append("flushed")

    handler = Handler()
    logging.getLogger().addHandler(handler)
    try:
        with chaos_app.test_request_context():
            response, _ = and_then(lambda: seen.append("ended"))
            response.close()
    finally:
        logging.getLogger().removeHandler(handler)

    assert seen == ["flushed", "ended"]


@pytest.mark.parametrize("code", [0, 3, 42, 255])
def test_exit_the_container(code):
    """3 means something to gunicorn: it would add its own explanation."""
    with Gunicorn(CHAOS_TOKEN=TOKEN, DRAIN_SECONDS="30") as server:
        eventually(lambda: get(server.management, "/readyz")[0] == 200)
        assert cause(server, f"exit/{code}") == b'{"exit_code":%d}\n' % code

        assert server.wait(10) == code
        assert server.wait_for(f"exiting with code {code}, as asked for")
        assert "failed to boot" not in "".join(server.lines)
