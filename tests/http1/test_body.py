"""Bodies in a buffer, piece by piece."""

import pytest

from service.http1.body import NO_BODY, Body
from service.http1.head import IncompleteBody, Limits, ProtocolError, parse

LIMITS = Limits(line=4094, fields=100, field=8190, body=1000)
NEXT = b"GET / HTTP/1.1\r\n"


def body(*lines):
    head = "".join(f"{line}\r\n" for line in ("POST / HTTP/1.1", "Host: a", *lines))
    return Body(parse(head, LIMITS), LIMITS)


def chunked():
    return body("Transfer-Encoding: chunked")


def feed(found, data, step):
    """Feed it in pieces; return what is left in the buffer."""
    buffer = bytearray()
    for at in range(0, len(data), step):
        buffer += data[at : at + step]
        found.feed(buffer)
    return bytes(buffer)


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
@pytest.mark.parametrize(
    ("data", "content"),
    [
        (b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"0\r\n\r\n", b""),
        (b"000\r\n\r\n", b""),
        (b'0003;a=b ; c = "d\\"" ;e\r\nabc\r\n1\r\nd\r\n0;f\r\nT: x\r\nU: y\r\n\r\n', b"abcd"),
        (b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n"),
        (b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2),
    ],
)
def test_chunks_end_where_they_end(data, content, step):
    found = chunked()
    assert feed(found, data + NEXT, step) == NEXT
    assert (bytes(found.data), found.complete, found.too_large) == (content, True, False)


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
@pytest.mark.parametrize(
    "data", [b"3\r\nabc", b"3\r\nabc\r", b"3\r\nabc\r\n", b"3", b"0\r\nT: x\r\n"]
)
def test_half_of_them_is_not_all(data, step):
    found = chunked()
    feed(found, data, step)
    assert not found.complete
    with pytest.raises(IncompleteBody):
        found.end()
    with pytest.raises(IncompleteBody):  # nor later
        found.feed(bytearray(b"\r\n0\r\n\r\n"))


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
@pytest.mark.parametrize(
    "data",
    [b"xyz\r\n", b"1\r\nabc", b"\r\n", b"1\n", b"1 \r\na\r\n", b"-1\r\n", b"1;\r\na\r\n"]
    + [b"1;\x00\r\na\r\n", b"1" * 8191, b"0\r\nHost: a\r\n\r\n", b"0\r\nT x\r\n\r\n"],
)
def test_malformed_ones_are_refused(data, step):
    found = chunked()
    with pytest.raises(ProtocolError) as refused:
        feed(found, data, step)
    assert refused.value.status == 400
    assert found.error is refused.value
    assert not found.is_skippable


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_length_ends_where_it_ends(step):
    found = body("Content-Length: 5")
    assert feed(found, b"hello" + NEXT, step) == NEXT
    assert (bytes(found.data), found.complete) == (b"hello", True)


def test_the_rest_of_one_that_is_too_large_is_dropped():
    found = chunked()
    data = b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n"
    assert feed(found, data + NEXT, 100) == NEXT
    assert found.too_large and found.complete and found.is_skippable
    assert len(found.data) <= 1000
    assert body("Content-Length: 1001").too_large
    assert not body("Content-Length: 1000").too_large


def test_one_whose_client_waits_for_100_continue_cannot_be_skipped():
    found = body("Content-Length: 5", "Expect: 100-continue")
    assert not found.is_skippable
    found.expects_continue = False
    assert found.is_skippable


def test_no_body_stays_none():
    buffer = bytearray(NEXT)
    NO_BODY.feed(buffer)
    assert buffer == NEXT
    assert NO_BODY.complete and not NO_BODY.data
