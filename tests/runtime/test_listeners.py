import resource
import socket
from wsgiref.util import request_uri

import pytest

from service.http1.wsgi import connection_environ
from service.runtime.connection import plain
from service.runtime.listeners import listen, location
from service.runtime.port import fitting


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (("10.0.0.1", 5), ("10.0.0.1", 5)),
        (("::ffff:10.0.0.1", 5, 0, 0), ("10.0.0.1", 5)),
        (("::ffff:0:a00:1", 5, 0, 0), ("::ffff:0:a00:1", 5)),  # translated (RFC 2765), not mapped
        (("2001:db8::ffff:1", 5, 0, 0), ("2001:db8::ffff:1", 5)),
        (("fe80::1", 5, 0, 3), ("fe80::1", 5)),
    ],
)
def test_a_client_is_shown_by_its_own_address(address, shown):
    assert plain(address) == shown


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_listens_to_both_families(host):
    if not socket.has_dualstack_ipv6() and ":" in host:
        pytest.skip("needs IPv6")
    with listen(0, 5) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection((host, port), timeout=5):
            accepted, address = listener.accept()
            accepted.close()
        assert location(listener, "http") in (f"http://[::]:{port}", f"http://0.0.0.0:{port}")
    assert plain(address)[0] == host


@pytest.mark.parametrize(("host", "name"), [("::", "[::]"), ("0.0.0.0", "0.0.0.0")])  # noqa: S104
def test_the_name_of_the_server_fits_a_url(host, name):
    environ = connection_environ(("fd00::7", 5), (host, 8000), "http")
    assert environ["SERVER_NAME"] == name
    assert request_uri(environ | {"PATH_INFO": "/"}) == f"http://{name}:8000/"


INFINITY = resource.RLIM_INFINITY


class Limits:
    """Stands in for the module resource, with macOS's refusal of what is above `most`."""

    RLIMIT_NOFILE = 7
    RLIM_INFINITY = INFINITY

    def __init__(self, soft, hard, most=1_000_000):
        self.now, self.most = (soft, hard), most

    def getrlimit(self, kind):
        return self.now

    def setrlimit(self, kind, limits):
        if limits[0] == INFINITY or limits[0] > self.most:
            raise ValueError("current limit exceeds maximum limit")
        self.now = limits


@pytest.mark.parametrize(
    ("limits", "connections", "soft"),
    [
        (Limits(256, 5000), 1000, 5000),
        (Limits(256, INFINITY), 1000, 1100),  # macOS
        (Limits(256, INFINITY, most=300), 156, 256),
        (Limits(2560, INFINITY), 1000, 2560),
        (Limits(256, 500), 400, 500),
        (Limits(50, 50), 1, 50),
        (Limits(INFINITY, INFINITY), 1000, INFINITY),
    ],
)
def test_connections_fit_the_files_that_may_be_open(limits, connections, soft):
    assert fitting(1000, 100, limits) == connections
    assert limits.now[0] == soft
