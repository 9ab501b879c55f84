"""/api/echo shows what arrived on the wire, for whoever tries a proxy."""

import json

from tests.runtime.gunicorn_process import Gunicorn
from tests.runtime.raw import connect, read_response

REQUEST = (
    "GET /api/echo HTTP/1.1\r\n"
    "hOST: proxy.example\r\n"
    "x_under_score: 1\r\n"
    "X-Under-Score: 2\r\n"
    "X-Twice:  a \r\n"
    "X-Twice: b\r\n"
    "X-Name: é\r\n"
    "X-Empty:\r\n"
    "X-Forwarded-Host: shop.example\r\n"
    "X-Forwarded-For: 203.0.113.9\r\n"
    "x_api_key: geheim\r\n\r\n"
).encode()
LATIN = b"GET /api/echo HTTP/1.1\r\nHost: a\r\nX-Name: \xe9\r\n\r\n"


def test_headers_are_as_they_were_sent():
    with Gunicorn(TRUSTED_PROXIES="127.0.0.1") as server, connect(server.port) as sock:
        sock.sendall(REQUEST)
        shown = json.loads(read_response(sock)[2])["headers"]
        sock.sendall(LATIN)
        latin = json.loads(read_response(sock)[2])["headers"]
    assert shown == [
        ["hOST", "proxy.example"],
        ["x_under_score", "1"],
        ["X-Under-Score", "2"],
        ["X-Twice", "a"],
        ["X-Twice", "b"],
        ["X-Name", "é"],
        ["X-Empty", ""],
        ["X-Forwarded-Host", "shop.example"],
        ["X-Forwarded-For", "203.0.113.9"],
        ["x_api_key", "***"],
    ]
    assert latin == [["Host", "a"], ["X-Name", "\\xe9"]]
