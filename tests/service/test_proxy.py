import random
from dataclasses import replace
from ipaddress import ip_address

import pytest
from flask import redirect, request, url_for

from tests.runtime.gunicorn_process import Gunicorn
from tests.runtime.raw import get, send
from tests.service.sample import create_app

PROXY, INNER, CLIENT = "10.0.0.1", "10.9.9.9", "203.0.113.7"
NETWORKS = "10.0.0.0/8,fd00::/8"
SPOOFED = "198.51.100.66"
FORWARDED = {
    "X-Forwarded-For": CLIENT,
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "shop.example",
}
UNTOUCHED = {"scheme": "http", "host": "localhost"}
SEEN = {"remote_addr": CLIENT, "scheme": "https", "host": "shop.example"}
# None of these can stand for a client, a scheme or a host; what a log or a page could choke on too.
MALFORMED = [
    "",
    " ",
    ",",
    "_hidden",
    "1.2.3.4:",
    "1.2.3.4:123456",
    "1.2.3.4:80:80",
    "::1::",
    "[::1",
    "::1]",
    "[]:80",
    "[1.2.3.4:80]",
    "fe80::1%<script>",
    "1:" * 2500,
    "[" * 5000,
    "1.2.3.4/8",
    "1.2.3.4\t1.2.3.4",
    '"1.2.3.4',
    "for=1.2.3.4",
    "\N{ARABIC-INDIC DIGIT ONE}.2.3.4".encode().decode("latin-1"),
    "\xff\xfe",
    '{"a": "%s%(x)s"}',
    "javascript:alert(1)",
    "https:",
    "<script>",
    "a b",
    "user@shop.example",
    "shop.example/path",
    "shop.example:port",
]


@pytest.fixture
def ask(config):
    """Ask for the identity as a peer that has an address, and return what it says of the client."""
    apps = {}

    def ask(peer, headers, networks=NETWORKS):
        if networks not in apps:
            apps[networks] = create_app(replace(config, trusted_proxies=networks))
        client = apps[networks].test_client()
        response = client.get(
            "/api/identity", headers=headers, environ_overrides={"REMOTE_ADDR": peer}
        )
        assert response.status_code == 200
        return {name: response.get_json()[name] for name in SEEN}

    return ask


def test_trusted(ask):
    assert ask(PROXY, FORWARDED) == SEEN


def test_nobody_is_trusted_by_default(client, config):
    assert config.trusted_proxies == ""
    identity = client.get("/api/identity", headers=FORWARDED).get_json()
    assert identity | UNTOUCHED | {"remote_addr": "127.0.0.1"} == identity


@pytest.mark.parametrize("peer", [CLIENT, "11.0.0.1", "127.0.0.1", "::1", "fc00::1", "", "unix"])
@pytest.mark.parametrize(
    "headers",
    [
        FORWARDED,
        *({name: value} for name, value in FORWARDED.items()),
        {"X-Forwarded-For": PROXY},
        {"X-Forwarded-For": f"{PROXY}, {PROXY}", "X-Forwarded-Proto": "https"},
        {"Forwarded": "for=10.0.0.1;proto=https;host=shop.example"},
        {"X-Real-IP": PROXY, "X-Forwarded-Ssl": "on", "X-Forwarded-Protocol": "ssl"},
        {"X-Forwarded-Port": "443", "X-Forwarded-Scheme": "https", "Front-End-Https": "on"},
    ],
)
def test_untrusted(ask, peer, headers):
    assert ask(peer, headers) == {"remote_addr": peer, **UNTOUCHED}


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        (CLIENT, CLIENT),
        (f"{CLIENT}, {INNER}", CLIENT),
        (f"{CLIENT},{INNER} ,\t10.1.1.1", CLIENT),
        # What stands before the client, it has sent itself.
        (f"{SPOOFED}, {CLIENT}", CLIENT),
        (f"{INNER}, {CLIENT}", CLIENT),
        (f"{SPOOFED}, {INNER}, {CLIENT}, {INNER}", CLIENT),
        (f"unknown, {CLIENT}", CLIENT),
        (f'"{SPOOFED}, {CLIENT}', CLIENT),
        (f"{'10.0.0.1,' * 800}{CLIENT}", CLIENT),
        (f"{CLIENT}, garbage", PROXY),
        (f"{CLIENT}, garbage, {INNER}", INNER),
        (f"{CLIENT},", PROXY),
        # A client that is inside itself: the farthest is the nearest to it.
        (f"10.2.2.2, {INNER}", "10.2.2.2"),
        (",".join(f"10.0.1.{n}" for n in range(20)), "10.0.1.10"),
        # What is no address; it could be a host.
        *((text, PROXY) for text in ("unknown", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1" * 5000)),
        ("01.02.03.04", PROXY),  # octal to some
        # Ports, and the forms of IPv6.
        (f"{CLIENT}:51000, {INNER}:80", CLIENT),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:DB8:0::7]:51000, [fd00::1]:80", "2001:db8::7"),
        (f"::ffff:{CLIENT}, ::ffff:{INNER}", CLIENT),
    ],
)
@pytest.mark.parametrize("peer", [PROXY, "::ffff:10.0.0.1"])
def test_walk(ask, peer, forwarded_for, client):
    seen = ask(peer, {"X-Forwarded-For": forwarded_for})["remote_addr"]

    assert seen == (peer if client == PROXY else client)


def test_trusted_peer_of_ipv6(ask):
    assert ask("fd00::1", FORWARDED) == SEEN
    assert ask("10.0.0.1", FORWARDED, networks="10.0.0.1,::1") == SEEN
    assert ask("10.0.0.2", FORWARDED, networks="10.0.0.1,::1")["remote_addr"] == "10.0.0.2"


@pytest.mark.parametrize(
    ("name", "value", "seen"),
    [
        ("X-Forwarded-Proto", "HTTPS", {"scheme": "https"}),
        ("X-Forwarded-Proto", "http, https", {"scheme": "https"}),
        ("X-Forwarded-Proto", "https,http", {"scheme": "http"}),
        ("X-Forwarded-Proto", "https, ftp", {"scheme": "http"}),
        ("X-Forwarded-Host", "evil.example, shop.example:8443", {"host": "shop.example:8443"}),
        ("X-Forwarded-Host", "[2001:db8::1]:8443", {"host": "[2001:db8::1]:8443"}),
        ("X-Forwarded-Host", "shop.example:80", {"host": "shop.example"}),
        ("X-Forwarded-Port", "8443", {}),
        ("X-Forwarded-Prefix", "/prefix", {}),
        ("X-Forwarded-Ssl", "on", {}),
        ("Forwarded", f"for={CLIENT};proto=https;host=shop.example", {}),
        ("X-Real-IP", CLIENT, {}),
    ],
)
def test_one_header(ask, name, value, seen):
    assert ask(PROXY, {name: value}) == {"remote_addr": PROXY, **UNTOUCHED, **seen}


@pytest.mark.parametrize("value", MALFORMED)
def test_malformed_counts_as_not_said(ask, value):
    assert ask(PROXY, dict.fromkeys(FORWARDED, value)) == {"remote_addr": PROXY, **UNTOUCHED}


def test_a_host_that_no_name_can_be(config):
    """Is answered as a Host would be: 400, not 500."""
    client = create_app(replace(config, trusted_proxies=NETWORKS)).test_client()
    for host in ("a" * 64, "a." * 300, "..", "1" * 5000):
        for name, peer in (("X-Forwarded-Host", PROXY), ("Host", CLIENT)):
            answer = client.get(
                "/version", headers={name: host}, environ_overrides={"REMOTE_ADDR": peer}
            )
            assert (host, answer.status_code) in ((host, 200), (host, 400))


def test_random_addresses(ask):
    chance = random.Random(1)  # noqa: S311
    for _ in range(500):
        text = "".join(chance.choices("0123456789af.:[],% \"'_-", k=chance.randint(1, 30)))
        ip_address(
            ask(PROXY, {"X-Forwarded-For": f"{text}{chance.choice(['', ',10.0.0.2'])}"})[
                "remote_addr"
            ]
        )


def test_port_of_the_proxy_is_not_the_clients(config):
    app = create_app(replace(config, trusted_proxies=NETWORKS))
    app.add_url_rule("/port", view_func=lambda: request.environ.get("REMOTE_PORT", "none"))
    peer = {"REMOTE_ADDR": PROXY, "REMOTE_PORT": "4711"}

    assert app.test_client().get("/port", environ_overrides=peer).text == "4711"
    told = app.test_client().get("/port", headers=FORWARDED, environ_overrides=peer)
    assert told.text == "none"


@pytest.mark.parametrize(
    ("peer", "url", "secure"),
    [(PROXY, "https://shop.example/here/", True), (CLIENT, "http://localhost/here/", False)],
)
def test_handlers(config, peer, url, secure):
    app = create_app(replace(config, trusted_proxies=NETWORKS))

    @app.get("/here/")
    def here():
        return {"secure": request.is_secure, "url": request.url}

    app.add_url_rule("/there", "there", lambda: redirect(url_for("here", _external=True)))
    client = app.test_client()
    options = {
        "headers": FORWARDED | {"X-Forwarded-Prefix": "//evil.example"},
        "environ_overrides": {"REMOTE_ADDR": peer},
    }

    assert client.get("/here/", **options).get_json() == {"secure": secure, "url": url}
    assert client.get("/there", **options).headers["Location"] == url
    assert client.get("/here", **options).headers["Location"] == url


@pytest.fixture(scope="module")
def suspicious():
    """Its clients are on loopback: by default gunicorn itself believes those."""
    with Gunicorn() as gunicorn:
        yield gunicorn


@pytest.fixture(scope="module")
def behind_proxy():
    with Gunicorn(TRUSTED_PROXIES="127.0.0.0/8") as gunicorn:
        yield gunicorn


def logged(server, request_id, *headers):
    """Ask with these headers, and return what the access log says of the client."""
    head = b"GET /api/identity HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Request-ID: %b\r\n"
    lines = b"".join(header.encode("latin-1") + b"\r\n" for header in headers)
    answer = send(server.port, head % request_id.encode() + lines + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    server.wait_for(f'"gunicorn.access".*"request_id": "{request_id}"')
    (record,) = [one for one in server.records() if one.get("request_id") == request_id]
    return {name: record[name] for name in SEEN}


def test_log_of_an_untrusted_peer(suspicious):
    """gunicorn itself would believe these schemes, and refuse the request with two of them."""
    headers = [f"{name}: {value}" for name, value in FORWARDED.items()]
    peer = {"remote_addr": "127.0.0.1", "scheme": "http", "host": "a"}

    assert logged(suspicious, "all", *headers) == peer
    assert logged(suspicious, "ssl", "X-Forwarded-Ssl: on") == peer
    assert logged(suspicious, "ours", "X-Forwarded-Protocol: ssl") == peer
    assert logged(suspicious, "both", "X-Forwarded-Proto: https", "X-Forwarded-Ssl: off") == peer
    assert logged(suspicious, "underscore", "X_Forwarded_For: 1.2.3.4") == peer


def test_log_behind_a_proxy(behind_proxy):
    headers = [f"{name}: {value}" for name, value in FORWARDED.items()]
    assert logged(behind_proxy, "right", *headers) == SEEN
    assert logged(behind_proxy, "twice", f"X-Forwarded-For: {SPOOFED}", *headers) == SEEN
    assert (
        logged(behind_proxy, "long", f"X-Forwarded-For: {SPOOFED}, {CLIENT}", *headers[1:]) == SEEN
    )
    assert logged(behind_proxy, "underscore", *headers, "X_Forwarded_For: 1.2.3.4") == SEEN
    identity = get(behind_proxy.port, "/api/identity", "\r\n".join([*headers, ""]))[2]
    assert b'"remote_addr":"203.0.113.7","scheme":"https","host":"shop.example"' in identity


@pytest.mark.parametrize("value", MALFORMED)
def test_malformed_stays_out_of_the_log(behind_proxy, value):
    headers = [f"{name}: {value}" for name in FORWARDED]
    peer = {"remote_addr": "127.0.0.1", "scheme": "http", "host": "a"}

    assert logged(behind_proxy, f"malformed-{MALFORMED.index(value)}", *headers) == peer


@pytest.mark.parametrize("value", [b"\x1b[31m", b"\x00", b'\x7f"', b"a\r\n b"])
def test_control_characters_are_refused(behind_proxy, value):
    """By gunicorn's parser, before anybody is believed."""
    before = len(behind_proxy.lines)
    head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Forwarded-For: %b\r\n\r\n" % value
    answer = send(behind_proxy.port, head)
    assert answer.startswith(b"HTTP/1.1 400 ")
    logged(behind_proxy, f"after-{value.hex()}")

    assert len(behind_proxy.lines) > before
    assert not any(b"\x1b" in line.encode() for line in behind_proxy.lines)
