import re

import pytest

from service.correlation import Trace, parse_traceparent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
VALID = [f"00-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-00-later"]
INVALID = [
    "",
    f"ff-{TRACE}-{SPAN}-01",
    f"00-{'0' * 32}-{SPAN}-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"00-{TRACE.upper()}-{SPAN}-01",
    f"00-{TRACE}-{SPAN}-01-more",
    f"cc-{TRACE}-{SPAN}-01more",
    f"00-{TRACE}-{SPAN}",
    f"00-{TRACE}-{SPAN}-01\n",
    f" 00-{TRACE}-{SPAN}-01",
]


@pytest.mark.parametrize("given", ["a", "A-b_c.9", "x" * 128])
def test_request_id_is_returned(client, given):
    assert client.get("/", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", 'a"b', "a\tb", "é", "a,b"])
def test_request_id_is_made(client, given):
    made = client.get("/", headers={"X-Request-ID": given}).headers["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", made)


@pytest.mark.parametrize("path", ["/nope", "/healthz", "/metrics"])
def test_request_id_is_everywhere(client, path):
    assert client.get(path).headers["X-Request-ID"]


@pytest.mark.parametrize("header", VALID)
def test_valid_traceparent(header):
    assert parse_traceparent(header) == Trace(TRACE, SPAN)


@pytest.mark.parametrize("header", INVALID)
def test_invalid_traceparent(header):
    assert parse_traceparent(header) is None
