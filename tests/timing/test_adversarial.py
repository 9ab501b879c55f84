"""No input keeps the event loop: all work on it is linear in its size."""

import re
import time

import pytest

from service.http1.body import Body
from service.http1.head import Limits, ProtocolError, parse
from service.http1.head_reader import HeadReader
from tests.http1.adversarial import patterns, texts

SIZE = 65_536  # bytes
SLOW = 0.2  # seconds; a linear search takes 1 ms
LIMITS = Limits(line=4094, fields=100, field=8190, body=2 << 20)
PATTERNS = patterns()


def seconds(call, times=1):
    """Return CPU seconds, for a busy machine does not count; the least of some times."""
    found = []
    for _ in range(times):
        started = time.thread_time()
        call()
        found.append(time.thread_time() - started)
    return min(found)


def test_a_pattern_that_is_quadratic_is_found_out():
    """The one that kept the event loop for 30 s."""
    old = re.compile(rb"\r\ntransfer-encoding:[ \t]*([^\r]*)(?=\r\n)")

    assert any(seconds(lambda text=text: old.search(text)) > SLOW for text in texts(old, 20_000))


@pytest.mark.parametrize("name", PATTERNS)
def test_no_pattern_takes_long(name):
    pattern = PATTERNS[name]
    for text in texts(pattern, SIZE):
        for find in (pattern.search, pattern.fullmatch):
            took = seconds(lambda find=find, text=text: find(text))
            assert took < SLOW, f"{find.__name__} of {text[:40]!r}...{text[-20:]!r}: {took:.2f} s"


HEADS = {
    "spaces": b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:" + b" " * 80_000 + b"\rx",
    "tabs": b"GET / HTTP/1.1\r\nHost: a\r\nConnection:" + b"\t," * 40_000 + b"\r\n\r\n",
    "commas": b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: " + b"," * 80_000 + b"\r\n\r\n",
    "headers": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 13_000 + b"\r\n",
    "one name": b"GET / HTTP/1.1\r\nHost: a\r\n" + (b"A: " + b"b" * 8000 + b"\r\n") * 98 + b"\r\n",
    "colons": b"GET / HTTP/1.1\r\nHost: a\r\n" + b":" * 80_000,
    "line": b"GET /" + b"a" * 1_000_000,
    "percent": b"GET /" + b"%41" * 1300 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "carriage returns": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"\r" * 80_000,
    "absolute": b"GET http://" + b"[" * 4000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
}
BODIES = {
    "digits": b"f" * 8_000,
    "zeros": b"0" * 1_000_000,
    "extension": b"1;" + b"a" * 1_000_000,
    "extensions": b"1" + b";a=b" * 2_000 + b" \r\n",
    "quotes": b'1;a="' + b'\\"' * 4_000 + b"\r\n",
    "small chunks": b"1\r\na\r\n" * 170_000,
    "trailers": b"0\r\n" + b"A: b\r\n" * 170_000,
    "trailer": b"0\r\nA: " + b"b" * 1_000_000,
    "one chunk": b"f4240\r\n" + b"x" * 1_000_000,
    "bare LF": b"1" + b" " * 8_000 + b"\n",
}


def read_head(data, step):
    reader, buffer = HeadReader(LIMITS), bytearray()
    for at in range(0, len(data), step):
        buffer += data[at : at + step]
        try:
            if reader.read(buffer):
                return
        except ProtocolError:
            return


def read_body(data, step):
    request = parse("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n", LIMITS)
    body, buffer = Body(request, LIMITS), bytearray()
    for at in range(0, len(data), step):
        buffer += data[at : at + step]
        try:
            body.feed(buffer)
        except ProtocolError:
            return


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
@pytest.mark.parametrize(
    ("read", "data"),
    [pytest.param(read_head, data, id=f"head-{name}") for name, data in HEADS.items()]
    + [pytest.param(read_body, data, id=f"body-{name}") for name, data in BODIES.items()],
)
def test_what_drips_costs_as_much_as_what_comes_at_once(read, data, step):
    """Beside what each arrival costs, whatever is in it: twice, and here five times for noise."""
    once = seconds(lambda: read(data, len(data)), times=3)
    arrivals = len(data) // step + 1
    most = 5 * once + arrivals * 5e-6 + 0.005
    dripped = seconds(lambda: read(data, step))
    if dripped >= most:  # what is quadratic takes as long each time
        dripped = seconds(lambda: read(data, step), times=3)

    print(f"at once {once * 1000:.2f} ms, dripped {dripped * 1000:.2f} ms in {arrivals} pieces")
    assert dripped < most
    assert once < 1.0  # of a megabyte; the event loop reads a 64th of that at once
