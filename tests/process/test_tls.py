"""What the runtime promises holds under TLS too, and certificates rotate under it."""

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from gunicorn.config import Config as GunicornConfig

from service.runtime.worker import PodWorker
from tests.process.slow_tls_clients import CLIENT_HELLO, half_a_hello, one_byte, silence
from tests.process.test_worker import SAME, comparable
from tests.runtime.certificates import ByHand, Files, der, issue, secure, trusting
from tests.runtime.gunicorn_process import OURS, REPOSITORY, TEST_APP, Gunicorn
from tests.runtime.raw import connect, eventually, get, is_problem, metric, read_all, read_response

CONCURRENCY, QUEUE = 4, 8
OFFENDERS = 3 * (2 * CONCURRENCY + QUEUE)  # three times the threads, as gunicorn_conf
READ_TIMEOUT = 2
SETTINGS = {
    "CONCURRENCY": str(CONCURRENCY),
    "QUEUE_LENGTH": str(QUEUE),
    "READ_TIMEOUT": str(READ_TIMEOUT),
    "SEND_TIMEOUT": "2",
}
UNTIL = datetime(2047, 1, 2, tzinfo=UTC)
FIRST, SECOND = issue(not_after=UNTIL), issue()
GET = b"GET /do HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /do HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    files = Files(tmp_path_factory.mktemp("tls"), FIRST)
    with Gunicorn(*OURS, TEST_APP, **SETTINGS, **files.settings) as gunicorn:
        yield gunicorn


@pytest.fixture(scope="module")
def plain():
    with Gunicorn(*OURS, TEST_APP, **SETTINGS) as gunicorn:
        yield gunicorn


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path, FIRST)


@pytest.fixture
def rotating(files):
    with Gunicorn(*OURS, TEST_APP, **files.settings, DRAIN_SECONDS="2") as gunicorn:
        wait_until_ready(gunicorn)
        yield gunicorn


def wait_until_ready(server):
    """Until there is something to stop gracefully."""
    eventually(lambda: get(server.management, "/readyz")[0] == 200)


def ask(sock, request=GET):
    sock.sendall(request)
    return read_response(sock)


def served(server):
    """Return the certificate that a new connection gets."""
    with secure(server.port) as sock:
        return sock.getpeercert(binary_form=True)


def only(version):
    """Return a client's context for one version, whatever the client's system thinks of it."""
    context = trusting()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_what_is_agreed_on(server, version):
    context = only(version)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with secure(server.port, context) as sock:
        assert ask(sock, b"GET /scheme HTTP/1.1\r\nHost: a\r\n\r\n")[2] == b"https"
        assert sock.version() == version.name.replace("_", ".")
        assert sock.selected_alpn_protocol() == "http/1.1"
        assert sock.compression() is None
        assert not sock.session or not sock.session.has_ticket
    assert server.wait_for("Listening at: https://")


def test_a_request_behind_the_handshake_is_not_held_back(server):
    """By a client without TCP_NODELAY, until a delayed acknowledgement comes after 40 ms."""

    def seconds():
        started = time.monotonic()
        assert get(server.port, "/do", using=secure)[0] == 200
        return time.monotonic() - started

    assert min(seconds() for _ in range(20)) < 0.03


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_refused(server, version):
    with pytest.raises(ssl.SSLError, match="alert protocol version"):
        secure(server.port, only(version))


@pytest.mark.parametrize("cipher", ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA"])
def test_weak_ciphers_are_refused(server, cipher):
    context = only(ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(cipher)
    with pytest.raises(ssl.SSLError, match="handshake failure"):
        secure(server.port, context)


def test_renegotiation_is_refused(server):
    if not shutil.which("openssl") and os.environ.get("CI") != "true":
        pytest.skip("needs openssl on PATH to ask for it")
    command = ["openssl", "s_client", "-tls1_2", "-connect", f"127.0.0.1:{server.port}"]
    ran = subprocess.run(command, input="R\n", capture_output=True, text=True, timeout=20)
    assert "RENEGOTIATING" in ran.stderr
    assert "no renegotiation" in ran.stderr
    assert served(server) == der(FIRST)


def exchange(port, pieces, tls):
    """As that of test_worker, under TLS or not."""
    with (secure if tls else connect)(port) as sock:
        with contextlib.suppress(OSError):  # closed already
            for piece in pieces:
                sock.sendall(piece)
                time.sleep(0.1)
        return read_all(sock, quiet=1.5)


@pytest.fixture(scope="module")
def answers(server, plain):
    """Of all exchanges, with TLS and without; few at a time, so that none is refused."""
    with ThreadPoolExecutor(CONCURRENCY) as pool:

        def all_on(port, tls):
            found = pool.map(lambda pieces: exchange(port, pieces, tls), SAME.values())
            return dict(zip(SAME, found, strict=True))

        return {True: all_on(server.port, True), False: all_on(plain.port, False)}


@pytest.mark.parametrize("name", SAME)
def test_answers_as_without_tls(answers, name):
    secured, bare = (comparable(answers[tls][name]) for tls in (True, False))
    assert secured == bare
    assert secured


@pytest.mark.parametrize("request_bytes", [LAST, b"bad\r\n\r\n", b"POST / HTTP/1.1\r\nHo"])
def test_says_that_it_closes(server, request_bytes):
    """Without close_notify a client cannot tell the end from an attack (RFC 8446 section 6.1)."""
    with secure(server.port) as sock:
        assert ask(sock, request_bytes)[0] in (200, 400, 408)
        assert sock.recv(1) == b""


def test_says_that_it_closes_an_idle_connection(files):
    with Gunicorn(*OURS, TEST_APP, **files.settings, KEEPALIVE="1") as server:
        with secure(server.port) as sock:
            ask(sock)
            assert sock.recv(1) == b""


HALF = b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf"


@pytest.mark.parametrize(
    ("request_bytes", "status"), [(GET, b"200"), (LAST, b"200"), (HALF, b"400")]
)
def test_a_client_that_sends_no_more_is_answered(server, request_bytes, status):
    with connect(server.port) as sock:
        client = ByHand()
        sock.sendall(client.hello())
        sock.sendall(client.request(sock, request_bytes) + client.goodbye())
        assert client.response(sock).startswith(b"HTTP/1.1 " + status)


def test_a_client_may_say_that_it_closes_before_it_has_everything(server):
    """With little room, so that much of the answer is still here when we have written all of it."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.settimeout(10)
        sock.connect(("127.0.0.1", server.port))
        client = ByHand()
        sock.sendall(client.hello())
        request = b"GET /large/10 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        sock.sendall(client.request(sock, request))
        time.sleep(0.5)
        sock.sendall(client.goodbye())
        time.sleep(0.2)
        assert client.response(sock).endswith(b"\r\n\r\n" + b"x" * 10 * 65536)


def test_an_answer_is_not_followed_by_a_reset(server):
    """Nobody reads the upload, and the client gets its answer and the end all the same."""
    with secure(server.port) as sock:
        sock.sendall(b"POST /do HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n")
        sock.sendall(b"x" * 300_000)
        time.sleep(0.5)
        sock.sendall(b"x" * 10_000)
        assert read_response(sock)[0] == 200
        assert sock.recv(1) == b""


@pytest.mark.parametrize("size", [0, 1000, 200_000])  # 0: idle; then read by event loop or thread
def test_a_broken_record_is_a_lost_connection(server, size):
    with secure(server.port) as sock:
        if size:
            head = f"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: {size + 1}\r\n\r\n"
            sock.sendall(head.encode() + b"x" * size)
            time.sleep(0.2)
        socket.socket.sendall(sock, b"\x17\x03\x03\x00\x20" + bytes(32))
        with pytest.raises(ssl.SSLError, match="alert bad record mac"):
            sock.recv(1)
    assert served(server)
    assert not [
        line for line in server.lines if "SSL" in line
    ]  # it is no request, not even a bad one


@pytest.mark.parametrize("tail", [1, 5000, 16000])
def test_a_request_in_the_record_of_an_upload(server, tail):
    """A thread reads the upload; what else came with its end may not be left in OpenSSL."""
    size = 200_000
    with secure(server.port) as sock:
        sock.sendall(
            f"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode()
            + b"x" * (size - tail)
        )
        time.sleep(0.2)
        sock.sendall(b"x" * tail + GET)
        assert read_response(sock)[2].startswith(b"200000 ")
        assert read_response(sock)[2] == b"do GET\n"


def test_slow_reader_gets_everything(server):
    with secure(server.port) as sock:
        sock.sendall(b"GET /large/200 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        received = bytearray()
        while piece := sock.recv(16384):
            received += piece
            if len(received) % (1 << 20) < 16384:
                time.sleep(0.03)
        assert received.partition(b"\r\n\r\n")[2] == b"x" * 200 * 65536


def test_no_reader_is_cut(server):
    name = 'hellopod_clients_cut_total{at="response"}'
    before = metric(server.management, name)
    with secure(server.port) as sock:
        sock.sendall(b"GET /large/400 HTTP/1.1\r\nHost: a\r\n\r\n")
        eventually(lambda: metric(server.management, name) == before + 1)
    assert served(server)


def test_clients_that_keep_threads_give_way(server):
    """Cut by the event loop in the middle of what a thread does: nothing leaves unencrypted."""
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(secure(server.port)) for _ in range(OFFENDERS // 3)]
        for sock in socks[:CONCURRENCY]:
            head = b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n"
            sock.sendall(head + b"x" * 100_000)
        for sock in socks[CONCURRENCY:]:
            sock.sendall(b"GET /large/400 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            time.sleep(0.03)
        assert [get(server.port, "/do", using=secure)[0] for _ in range(3)] == [200] * 3
        assert {read_response(sock)[0] for sock in socks[:CONCURRENCY]} == {408}
        for sock in socks[CONCURRENCY:]:
            with contextlib.suppress(ssl.SSLEOFError, ConnectionResetError):
                while sock.recv(65536):
                    pass


def test_overload_is_refused(server):
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(secure(server.port)) for _ in range(CONCURRENCY + QUEUE + 4)]
        for sock in socks:
            sock.sendall(b"GET /wait/2 HTTP/1.1\r\nHost: a\r\n\r\n")
        answered = [read_response(sock) for sock in socks]
        refused = [answer for answer in answered if answer[0] == 503]
        assert len(refused) == QUEUE + 4
        assert all(is_problem(*answer) and answer[1]["retry-after"] for answer in refused)
        assert [ask(sock)[0] for sock in socks] == [200] * len(socks)  # they were kept


def test_who_does_not_finish_a_handshake_is_closed(server):
    """At the deadline for the whole of it, also if something moves all the time."""

    def dripping(sock):
        for byte in CLIENT_HELLO:
            sock.sendall(bytes([byte]))
            sock.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                assert sock.recv(1) == b""
                return

    def seconds_until_closed(offence):
        with connect(server.port) as sock, contextlib.suppress(ConnectionError):
            started = time.monotonic()
            offence(sock)
            read_all(sock, quiet=3 * READ_TIMEOUT)
        return time.monotonic() - started

    offences = (silence, one_byte, half_a_hello, dripping)
    with ThreadPoolExecutor(len(offences)) as pool:
        for seconds in pool.map(seconds_until_closed, offences):
            assert READ_TIMEOUT - 0.5 < seconds < READ_TIMEOUT + 3
    assert metric(server.management, "hellopod_connections") == 0


def test_those_without_a_handshake_make_way(files):
    with Gunicorn(*OURS, TEST_APP, **files.settings, files=200) as server:
        limit = 200 - 164  # as PodWorker.init_process
        with contextlib.ExitStack() as silent:
            for _ in range(limit + 20):
                silent.enter_context(connect(server.port))
            started = time.monotonic()
            assert get(server.port, "/do", using=secure)[0] == 200
            assert time.monotonic() - started < 3  # READ_TIMEOUT is 10


@pytest.mark.parametrize(
    "garbage", [b"\0" * 100, b"\xff" * 100_000, os.urandom(1000)], ids=["zeros", "ones", "random"]
)
def test_garbage_is_closed_at_once(server, garbage):
    with connect(server.port) as sock, contextlib.suppress(ConnectionError):
        started = time.monotonic()
        sock.sendall(garbage)
        read_all(sock)
    assert time.monotonic() - started < READ_TIMEOUT / 2
    assert served(server)


@pytest.mark.parametrize("size", [0, 100_000])
def test_plain_http_is_told_so(server, size):
    with connect(server.port) as sock:
        sock.sendall(f"POST /body HTTP/1.1\r\nContent-Length: {size}\r\n\r\n".encode())
        sock.sendall(b"x" * size)
        time.sleep(0.2)
        answer = read_response(sock)
        assert answer[0] == 400 and is_problem(*answer)
        assert b"This port speaks HTTPS." in answer[2]
        assert sock.recv(1) == b""
    assert served(server)


def test_expiry_is_a_metric(server):
    name = "hellopod_tls_certificate_expiry_timestamp_seconds"
    assert metric(server.management, name) == UNTIL.timestamp()


def test_rotation(files, rotating):
    worker = rotating.worker
    with secure(rotating.port) as kept, secure(rotating.port) as uploading:
        assert ask(kept)[0] == 200
        uploading.sendall(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
        files.write(SECOND)

        def asked_meanwhile():
            assert ask(kept)[0] == 200
            return served(rotating) == der(SECOND)

        eventually(asked_meanwhile)
        uploading.sendall(b"x" * 200_000)
        assert read_response(uploading)[2].startswith(b"200000 ")
        assert ask(kept)[0] == 200
        assert kept.getpeercert(binary_form=True) == der(FIRST)
    rotating.wait_for('"message": "serving a new certificate, valid until ')
    os.kill(worker, 0)
    assert metric(rotating.management, "hellopod_worker_restarts_total") == 0


def test_broken_rotation(files, rotating):
    """Not even a worker that replaces another takes up what cannot be served."""
    problem = "the new files are unusable: TLS_KEY_FILE: it must be the key of the certificate"
    files.write(SECOND, key=FIRST)
    rotating.wait_for(problem)
    time.sleep(2.5)
    assert served(rotating) == der(FIRST)
    assert len([line for line in rotating.lines if problem in line]) == 1

    os.kill(rotating.worker, signal.SIGKILL)
    eventually(lambda: metric(rotating.management, "hellopod_worker_restarts_total") == 1)
    assert served(rotating) == der(FIRST)

    files.write(SECOND)
    eventually(lambda: served(rotating) == der(SECOND))
    another = rf"Booting worker with pid: (?!{rotating.worker}\D)(\d+)"
    os.kill(int(rotating.wait_for(another)), signal.SIGKILL)
    eventually(lambda: metric(rotating.management, "hellopod_worker_restarts_total") == 2)
    assert served(rotating) == der(SECOND)
    levels = [record["level"] for record in rotating.records() if "certificate" in str(record)]
    assert levels.count("ERROR") == 2  # the second worker had to find out by itself
    private = SECOND.private_key_pem.bytes().splitlines()[1].decode()
    assert not [line for line in rotating.lines if private in line]


def test_drain(rotating):
    with (
        secure(rotating.port) as slow,
        secure(rotating.port) as idle,
        connect(rotating.port) as raw,
    ):
        assert ask(idle)[1]["connection"] == "keep-alive"
        slow.sendall(b"GET /wait/2 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.3)
        started = time.monotonic()
        rotating.signal(signal.SIGTERM)
        eventually(lambda: get(rotating.management, "/readyz")[0] == 503, 1)
        with secure(rotating.port) as new:
            assert ask(new)[1]["connection"] == "close"
        status, headers, _ = ask(idle)
        assert (status, headers["connection"]) == (200, "close")
        assert idle.recv(1) == b""
        assert read_response(slow)[0] == 200
        assert slow.recv(1) == b""
        assert rotating.wait() == 0
        assert time.monotonic() - started < 8
        assert raw.recv(1) == b""  # it never said anything, and nobody waited for it


@pytest.mark.parametrize("unused", [False, True])
def test_stop_is_quick_and_clean(files, unused):
    with Gunicorn(*OURS, TEST_APP, **files.settings) as server:
        wait_until_ready(server)
        with connect(server.port) if unused else secure(server.port) as sock:
            time.sleep(0.2)
            started = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - started < 3
            assert sock.recv(1) == b""


def test_a_handshake_may_end_in_the_stop(files):
    with Gunicorn(*OURS, TEST_APP, **files.settings) as server, connect(server.port) as sock:
        wait_until_ready(server)
        client = ByHand()
        hello = client.hello()
        sock.sendall(hello[:50])
        time.sleep(1.2)  # an idle connection would have had its time
        server.signal(signal.SIGTERM)
        server.wait_for("stopping, 0 requests in flight")
        sock.sendall(hello[50:])
        sock.sendall(client.request(sock, GET))
        assert client.response(sock).startswith(b"HTTP/1.1 200 ")
        assert server.wait() == 0


def start(**settings):
    return subprocess.run(
        [sys.executable, *OURS, "--check-config"],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_bad_files_stop_the_start(files):
    files.write(FIRST, key=SECOND)
    ran = start(**files.settings)

    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == (
        "hellopod: TLS_KEY_FILE='***' is not allowed: "
        "it must be the key of the certificate in TLS_CERT_FILE\n"
    )


@pytest.mark.parametrize(
    ("setting", "value"), [("certfile", "a"), ("keyfile", "a"), ("cert_reqs", 2), ("ca_certs", "a")]
)
def test_gunicorns_own_tls_is_refused(setting, value):
    """It would not be what it says: no other certificate, and no client is asked for one."""
    config = GunicornConfig()
    PodWorker.check_config(config, None)
    config.set(setting, value)

    with pytest.raises(SystemExit, match="PodWorker has its certificate from TLS_CERT_FILE"):
        PodWorker.check_config(config, None)
