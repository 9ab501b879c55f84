import pytest

from service.correlation import parse_traceparent
from service.runtime.head import header, trace_id
from tests.test_correlation import INVALID, TRACE, VALID

HEAD = (
    b"GET / HTTP/1.1\r\nHost: a\r\nX-Empty:\r\naccept: a\r\nACCEPT: \tb \r\n\r\nAccept: c\r\n\r\n"
)


@pytest.mark.parametrize(
    ("name", "value"), [("host", "a"), ("Accept", "a,b"), ("x-empty", ""), ("ept", ""), ("get", "")]
)
def test_header(name, value):
    assert header(HEAD, name) == value
    assert header(bytearray(HEAD), name) == value


def test_no_head():
    assert header(b"", "accept") == header(b"\xff\r\n", "accept") == ""


@pytest.mark.parametrize("value", [*VALID, *INVALID])
def test_trace_is_the_one_in_the_logs(value):
    """Two readers of the same header, as the runtime does not know the app."""
    head = f"GET / HTTP/1.1\r\nTraceParent: {value}\r\n\r\n".encode()
    seen = parse_traceparent(value.strip(" "))

    assert trace_id(head) == (seen and seen.trace_id)


def test_two_traces_are_none():
    line = f"traceparent: {VALID[0]}\r\n"

    assert trace_id(f"GET / HTTP/1.1\r\n{line}\r\n".encode()) == TRACE
    assert trace_id(f"GET / HTTP/1.1\r\n{line}{line}\r\n".encode()) is None
