"""What hellopod believes of what nginx, HAProxy and Envoy pass on, and what else they send it."""

import http.client
import json
import socket

import pytest

from tests.e2e.proxy_configurations import configuration
from tests.process.proxy_processes import PROGRAMS, check, proxies, written
from tests.runtime.gunicorn_process import OURS, Gunicorn
from tests.runtime.raw import connect, read_all, read_response

CLIENT = "127.0.0.7"
HOST = "shop.example:8443"
TRUE = {"client": CLIENT, "scheme": "http", "host": HOST}
SPOOFED = [
    {"X-Forwarded-For": "6.6.6.6"},
    {"X-Forwarded-For": "6.6.6.6, 127.0.0.1"},
    {"X-Forwarded-Proto": "https"},
    {"X-Forwarded-Host": "evil.example"},
    {"X-Forwarded-Port": "1", "X-Forwarded-Prefix": "/evil", "X-Real-IP": "6.6.6.6"},
    {"Forwarded": "for=6.6.6.6;proto=https;host=evil.example"},
]
every = pytest.mark.parametrize("name", PROGRAMS)


@pytest.fixture(scope="module")
def pods():
    settings = {"TRUSTED_PROXIES": "127.0.0.1/32"}
    with Gunicorn(*OURS, "tests.process.proxied:app", **settings) as one:
        yield one, one


@pytest.fixture(scope="module")
def ports(pods, tmp_path_factory):
    with proxies(tmp_path_factory.mktemp("proxies"), *(pod.port for pod in pods)) as ports:
        yield ports


def seen(port, headers):
    """Ask from an address of the client's own what the handler knows of it."""
    source = (CLIENT, 0)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=source)
    connection.request("GET", "/seen", headers={"Host": HOST, **headers})
    found = json.loads(connection.getresponse().read())
    connection.close()
    return found


@every
def test_configuration_is_valid(name, tmp_path):
    folder = str(tmp_path)
    # The check looks names up, and the Service's is known in the cluster alone.
    for servers in ([], [8001, 8002]):
        text = configuration(name, folder, 8081, "127.0.0.1", servers)
        assert check(name, written(name, tmp_path, text)) == ""


@every
def test_a_mistake_in_a_configuration_is_found(name, tmp_path):
    text = configuration(name, str(tmp_path), 8081, "127.0.0.1", [])
    assert "mistake" in check(name, written(name, tmp_path, f"{text}\nmistake\n"))


@every
def test_forwarded(ports, name):
    assert seen(ports[name], {}) == TRUE


@every
@pytest.mark.parametrize("headers", SPOOFED, ids=lambda headers: next(iter(headers)))
def test_spoofed(ports, name, headers):
    assert seen(ports[name], headers) == TRUE


@pytest.mark.parametrize(
    ("name", "line", "header"),
    [
        ("envoy", "request_headers_to_remove: [x-forwarded-host]", "X-Forwarded-Host"),
        (
            "haproxy",
            "http-request set-header X-Forwarded-Host %[req.hdr(host)]",
            "X-Forwarded-Host",
        ),
        ("nginx", "proxy_set_header X-Forwarded-Host $http_host;", "X-Forwarded-Host"),
    ],
)
def test_a_proxy_without_that_line_passes_on_what_the_client_says(
    pods, tmp_path, name, line, header
):
    with proxies(tmp_path, *(pod.port for pod in pods), names=[name], without=line) as ports:
        assert seen(ports[name], {header: "evil.example"})["host"] == "evil.example"


UPGRADES = {
    "websocket": b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n",
}


@every
@pytest.mark.parametrize("protocol", UPGRADES)
def test_no_upgrade(ports, name, protocol):
    """Answered as a request without, or refused by the proxy; never a tunnel past it."""
    request = b"GET /seen HTTP/1.1\r\nHost: a\r\n%s\r\n" % UPGRADES[protocol]
    with connect(ports[name]) as sock:
        sock.sendall(request)
        status, headers, _ = read_response(sock)
        # Flask's routes are no WebSockets (400), and Envoy refuses to upgrade (403).
        assert status in ((200, 400, 403) if protocol == "websocket" else (200,))
        assert "upgrade" not in headers
        if headers.get("connection") != "close":
            sock.sendall(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
            assert read_response(sock)[0] == 200


@pytest.mark.parametrize(("protocol", "expected"), [("websocket", 400), ("h2c", 200)])
def test_no_upgrade_directly(pods, protocol, expected):
    with connect(pods[0].port) as sock:
        sock.sendall(b"GET /seen HTTP/1.1\r\nHost: a\r\n%s\r\n" % UPGRADES[protocol])
        status, headers, _ = read_response(sock)
        assert (status, headers["connection"]) == (expected, "keep-alive")
        sock.sendall(b"GET /seen HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_response(sock)[0] == 200


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


def test_http2_is_refused_in_http1(pods):
    with connect(pods[0].port) as sock:
        sock.sendall(PREFACE)
        sock.shutdown(socket.SHUT_WR)
        answer = read_all(sock)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert answer.count(b"HTTP/1.1 ") == 1
