"""What is made of a head. Which requests are refused, tests/runtime/hostile.py says."""

import gc
import itertools
import random
import sys

import pytest

from service.http1 import head_reader
from service.http1.head import Limits, ProtocolError, parse, unreadable
from service.http1.head_reader import MOST_COMPARED, HeadReader

LIMITS = Limits(line=4094, fields=100, field=8190, body=1000)


def read(data, step=1):
    """Feed it in pieces; return what is found, and what is left."""
    reader, buffer = HeadReader(LIMITS), bytearray()
    for at in range(0, len(data), step):
        buffer += data[at : at + step]
        if request := reader.read(buffer):
            return request, bytes(buffer) + data[at + step :]
    return None, bytes(buffer)


def head(*lines, start="GET / HTTP/1.1"):
    return "".join(f"{line}\r\n" for line in (start, "Host: a", *lines))


def wire(*lines):
    return bytearray(f"{head(*lines)}\r\n".encode())


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_a_head_ends_where_it_ends(step):
    request, rest = read(b"GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n\r\n\r\nrest", step)
    assert (request.method, request.target, request.path) == ("GET", "/a?b", "/a")
    assert (request.query, request.minor, rest) == ("b", 1, b"\r\n\r\nrest")


@pytest.mark.parametrize("step", [1, 2, 7])
@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\n", 400),
        (b"G" * 4097, 414),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * 8190, 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 101, 431),
    ],
)
def test_what_nothing_can_mend_is_refused_at_once(data, status, step):
    with pytest.raises(ProtocolError) as refused:
        read(data, step)
    assert refused.value.status == status


def said(request):
    """Return all that a request says, whether it was set or is what most have."""
    names = ("keep_alive", "expects_continue", "length")
    return {name: getattr(request, name) for name in names} | vars(request)


LINES = ("GET / HTTP/1.1", "GET /?a HTTP/1.1", "POST /b HTTP/1.1", "GET / HTTP/1.0", "GET / X")


@pytest.mark.parametrize(
    "fields",
    [
        "Host: a\r\n",
        "",
        "Host: a\r\nContent-Length: 7\r\nExpect: 100-continue\r\n",
        "Host: a\r\nTransfer-Encoding: chunked\r\n",
        "Host: a\r\nConnection: close\r\n",
        "Host: a\r\nConnection: keep-alive\r\n",
    ],
)
@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("before", LINES)
def test_the_same_fields_again_are_read_as_the_first_time(before, line, fields):
    def outcome(reader, line):
        try:
            return said(reader.read(bytearray(f"{line}\r\n{fields}\r\n".encode())))
        except ProtocolError as error:
            return error.status, str(error)

    reader = HeadReader(LIMITS)
    outcome(reader, before)

    assert outcome(reader, line) == outcome(HeadReader(LIMITS), line)


# A field that is too long for these fits into MOST_COMPARED: to refuse it is up to _take_changed().
SHORT = Limits(line=4094, fields=100, field=200, body=1000)

HEADS = [
    f"GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"
    for fields in (
        "",
        "A: 1\r\n",
        "A: 2\r\n",
        "a: 3\r\n",
        "A:\r\n",
        "A: 4\r\nA: 5\r\n",
        "A: 4\r\nA: 4\r\n",
        "A: 4\r\nB: 5\r\n",
        "A: 4\r\nB: 4\r\n",
        "A: 4\r\nA: 6\r\n",
        "B: 1\r\n",
        "A_B: 1\r\n",
        "A_B: 2\r\n",
        "A 1\r\n",
        " 1\r\n",
        "A: 1\n2\r\n",
        "A: 1\r\r\n",
        "Host: b\r\n",
        "A: 1\x00\r\n",
        f"A: {'b' * (SHORT.field - 5)}\r\n",
        f"A: {'b' * (SHORT.field - 4)}\r\n",
        "Connection: close\r\n",
        "Connection: keep-alive\r\n",
        "Content-Length: 1\r\n",
        "Content-Length: 2\r\n",
        "Expect: 100-continue\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip\r\n",
        "\r\nrest",
    )
]
HEADS += [head.replace("Host: a", "Host: b") for head in HEADS[:3]]
HEADS += [HEADS[1].replace("/1.1", "/1.0"), HEADS[2].replace("GET /", "GET /a"), "GET / HTTP"]


@pytest.mark.parametrize("pair", [*itertools.product(HEADS[:13] + HEADS[-6:], repeat=2)])
def test_a_head_with_another_line_is_read_as_the_first_time(pair):
    """The latter two tell which line changes; what does not follow suit is no exception."""
    for last in HEADS:
        reader = HeadReader(SHORT)
        for before in pair:
            outcome(reader, before)
        assert outcome(reader, last) == outcome(HeadReader(SHORT), last), last


AROUND = MOST_COMPARED - len(wire("A: "))  # bytes of a value


@pytest.mark.parametrize("length", [2, AROUND - 1, AROUND, AROUND + 1, LIMITS.field - 5])
def test_a_field_that_changes_may_be_of_any_length(length):
    reader = HeadReader(LIMITS)
    for value in ("1", "2", "a" * length):
        request = reader.read(wire(f"A: {value}"))

    assert request.fields["HTTP_A"] == "a" * length


@pytest.mark.parametrize("before", [[], ["1", "2"]])  # with these it may change
@pytest.mark.parametrize("character", [*map(chr, range(9)), *map(chr, range(10, 32)), "\x7f"])
def test_no_control_character_but_the_tab_is_in_a_value(character, before):
    reader = HeadReader(LIMITS)
    for value in before:
        assert reader.read(wire(f"A: {value}"))

    with pytest.raises(ProtocolError) as refused:
        reader.read(wire(f"A: b{character}c"))

    assert refused.value.status == 400


def outcome(reader, sent):
    """Return what is read or refused, and what is left."""
    buffer = bytearray(sent.encode())
    try:
        found = reader.read(buffer)
    except ProtocolError as error:
        return error.status, str(error), reader.head, buffer
    # Its lines are those that are known, and no part of what it says.
    return found and {**said(found), "lines": None}, buffer


OPTIONS = (
    ("GET / HTTP/1.1", "GET /a HTTP/1.1", "POST /b?c HTTP/1.1", "GET / HTTP/1.0", "GET /"),
    ("Host: a", "Host: b", "Host: a b", None),
    ("A: 1", "A: 2", "A: 3", "a: 4", "A: 1\r\nA: 2", "A 1", "A: 1\n", None),
    ("Content-Length: 1", "Content-Length: 2", "Content-Length: -1", None, None),
    ("B: 1", "B: 2", "B: 3", "B:", f"B: {'b' * SHORT.field}", None),
    ("Connection: close", "Connection: keep-alive", None, None),
    ("Expect: 100-continue", "Expect: 200", "Transfer-Encoding: chunked", None, None, None),
    ("A_B: 1", "A_B: 2", "X: 1", "X: 2", "X: 3", None),
)


@pytest.mark.parametrize("changes", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(5))
def test_heads_that_change_in_some_lines_are_read_as_the_first_time(seed, changes):
    """Mostly in the same lines as before."""
    chance, lines = random.Random(seed), [options[0] for options in OPTIONS]  # noqa: S311
    reader = HeadReader(SHORT)
    for turn in range(200):
        if turn % 5 == 0:
            places = chance.sample(range(len(OPTIONS)), changes)
        for place in places:
            lines[place] = chance.choice(OPTIONS[place])
        sent = "".join(f"{line}\r\n" for line in (*lines, "") if line is not None) + "next"
        found = outcome(reader, sent)
        assert found == outcome(HeadReader(SHORT), sent), sent
        if not isinstance(found[0], dict):  # its connection ends
            reader, lines = HeadReader(SHORT), [options[0] for options in OPTIONS]


def test_a_line_is_not_found_within_another():
    reader = HeadReader(LIMITS)
    for lines in (("XA: 2", "A: 1"), ("XA: 2", "A: 2"), ("XA: 3", "A: 2")):
        fields = reader.read(wire(*lines)).fields

    assert (fields["HTTP_XA"], fields["HTTP_A"]) == ("3", "2")


def test_a_request_keeps_its_fields():
    """A thread may have it yet."""
    reader = HeadReader(LIMITS)
    requests = [reader.read(wire(f"A: {number}")) for number in range(4)]

    assert [request.fields["HTTP_A"] for request in requests] == ["0", "1", "2", "3"]


def many(value, number):
    return "\r\n".join(f"X-{name}: {value}" for name in range(number))


@pytest.mark.parametrize(
    ("lines", "again"),
    [
        (("A: 1", "A: 2", "A: 3"), True),
        (("traceparent: 1", "traceparent: 2", "Traceparent: 3"), True),
        (("A: 1\r\nB: 1", "A: 2\r\nB: 1", "A: 3\r\nB: 1"), True),
        (("A: 1\r\nB: 1", "A: 2\r\nB: 2", "A: 3\r\nB: 3"), True),
        (("A: 1\r\nC: 1\r\nB: 1", "A: 2\r\nC: 1\r\nB: 2", "A: 3\r\nC: 1\r\nB: 2"), True),
        (("Content-Length: 1", "Content-Length: 2", "Content-Length: 3"), True),
        (("Expect: 100-continue", "Expect: 100-Continue", "Expect: 100-CONTINUE"), True),
        (("A: 1\r\nB: 1", "A: 2\r\nB: 1", "A: 2\r\nB: 2"), False),
        (("A: 1", "A: 2", "B: 3"), False),
        ([many(number, head_reader.MOST_CHANGING) for number in range(3)], True),
        ([many(number, head_reader.MOST_CHANGING + 1) for number in range(3)], False),
    ],
)
def test_of_a_head_with_another_line_only_that_is_read(lines, again, monkeypatch):
    """To read one anew takes a third of a refusal's instructions."""
    reader, parsed = HeadReader(LIMITS), []
    monkeypatch.setattr(head_reader, "parse", lambda *args: parsed.append(args) or parse(*args))
    for each in lines:
        assert reader.read(wire(each))

    assert len(parsed) == (2 if again else 3)


def test_an_empty_head_is_no_request():
    """It must not pass for the one that there was not before."""
    with pytest.raises(ProtocolError) as refused:
        HeadReader(LIMITS).read(bytearray(b"\r\n\r\n"))
    assert refused.value.status == 400


@pytest.mark.parametrize("size", [1, 50, 3000])
@pytest.mark.parametrize("cut", [0, 5, 40, 60])
@pytest.mark.parametrize("change", [b"", b"X: y\r\n", b"Bad Header: z\r\n"])
def test_the_same_head_again_is_read_as_the_first_time(size, cut, change):
    """The first of these is remembered, whatever the next one begins with."""
    start = b"GET /a%20b?c HTTP/1.1\r\nHost: a\r\nA: " + b"b" * size + b"\r\n"
    again = start + change + b"\r\nrest"

    def outcome(reader):
        buffer = bytearray(again[:cut])
        try:
            found = reader.read(buffer) if cut else None
            buffer += again[cut:]
            return said(found or reader.read(buffer)), buffer
        except ProtocolError as error:
            return error.status, reader.head, buffer

    reader = HeadReader(LIMITS)
    assert reader.read(bytearray(start + b"\r\n"))
    assert outcome(reader) == outcome(HeadReader(LIMITS))
    assert reader.read(bytearray(start + b"\r\n")).path == "/a b"


@pytest.mark.parametrize(("size", "remembered"), [(1900, True), (2100, False)])
def test_a_long_head_is_not_remembered(size, remembered):
    """Each idle connection would keep it."""
    sent = b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"b" * size + b"\r\n\r\n"
    reader = HeadReader(LIMITS)

    first = reader.read(bytearray(sent))

    assert (reader.read(bytearray(sent)) is first) == remembered


@pytest.mark.parametrize(("size", "remembered"), [(1900, True), (2100, False)])
def test_lines_of_a_long_head_are_not_remembered(size, remembered):
    reader, line = HeadReader(LIMITS), "A: " + "b" * size
    first, second = (reader.read(wire(line, f"B: {n}")).fields["HTTP_A"] for n in (1, 2))
    assert (second is first) == remembered


def test_only_lines_of_the_latest_head_are_remembered():
    reader = HeadReader(LIMITS)
    heads = (["A: one"], ["A: one", "B: two"], ["B: two"], ["A: one"])
    requests = [reader.read(wire(*lines)) for lines in heads]

    assert requests[1].fields["HTTP_A"] is requests[0].fields["HTTP_A"]
    assert requests[3].fields["HTTP_A"] is not requests[0].fields["HTTP_A"]
    assert all(request.line is requests[0].line for request in requests)


@pytest.mark.parametrize("line", ["Host: a", "Content-Length: 0", "Content-Type: a"])
def test_a_line_that_is_known_may_not_come_twice(line):
    """There is a Host in each head here."""
    reader = HeadReader(LIMITS)
    reader.read(wire("Content-Length: 0", "Content-Type: a"))
    with pytest.raises(ProtocolError, match="more than one"):
        reader.read(wire(line) if line == "Host: a" else wire(line, line))


def test_a_line_that_is_known_may_be_repeated():
    reader = HeadReader(LIMITS)
    reader.read(wire("A: 1"))
    assert reader.read(wire("A: 1", "A: 1")).fields["HTTP_A"] == "1,1"


def test_of_half_a_head_nothing_is_known_but_what_came_before():
    reader = HeadReader(LIMITS)
    reader.read(bytearray(b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-ID: id-1\r\n\r\n"))
    assert reader.read(bytearray(b"POST /")) is None
    assert reader.head == ""  # or it would be logged as one more with the id of the first


def test_fields_have_the_names_of_the_environ():
    request = parse(
        head("X-A: 1", "x-a:2", "Content-Type: b", "X_B: c", "D:\t e \t", "F:", "X-A: \t"), LIMITS
    )
    assert request.fields == {
        "HTTP_HOST": "a",
        "HTTP_X_A": "1,2,",
        "CONTENT_TYPE": "b",
        "HTTP_D": "e",
        "HTTP_F": "",
    }


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", ""),
        ("/a%20b%C3%A9?c%20d", "/a b\xc3\xa9", "c%20d"),
        ("/a??b", "/a", "?b"),
        ("//a/b", "//a/b", ""),
        ("http://a", "/", ""),
        ("http://a?b", "/", "b"),
        ("http://a/b?c", "/b", "c"),
    ],
)
def test_targets(target, path, query):
    request = parse(head(start=f"GET {target} HTTP/1.1"), LIMITS)
    assert (request.target, request.path, request.query) == (target, path, query)


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        ([], 0),
        (["Content-Length: 0"], 0),
        (["Content-Length: 0012"], 12),
        (["Transfer-Encoding: chunked"], None),
        (["Transfer-Encoding: CHUNKED "], None),
    ],
)
def test_lengths(lines, length):
    assert parse(head(*lines), LIMITS).length == length


def test_expect_is_of_1_1_alone():
    line = "Expect: 100-Continue"
    assert parse(head(line), LIMITS).expects_continue
    assert not parse(head(line, start="GET / HTTP/1.0"), LIMITS).expects_continue


def test_many_headers_are_no_more_work_than_long_ones():
    """Nothing but their number made it slow."""

    def calls(text):
        seen = []
        gc.disable()  # what it calls is no work of the parser's
        sys.setprofile(lambda frame, event, argument: seen.append(event))
        try:
            with pytest.raises(ProtocolError):
                parse(text, LIMITS)
        finally:
            sys.setprofile(None)
            gc.enable()
        return len(seen)

    many = head(*["X: yyyyy"] * 6000, f"X: {'x' * 9000}")
    assert calls(many) < 2 * calls(head(*[f"X: {'y' * 8000}"] * 7, f"X: {'x' * 9000}"))


@pytest.mark.parametrize(
    ("text", "method", "identity"),
    [
        ("HEAD / HTTP/9.9\r\nx-request-ID:\t id-1 \r\n", "HEAD", "id-1"),
        ("GET / HTTP/1.1\r\nX-Request-ID: a b\r\n", "GET", None),
        ("\x16\x03\x01", "", None),
        ("G" * 50 + " /", "", None),
        ("", "", None),
    ],
)
def test_what_can_be_said_of_one_that_is_malformed(text, method, identity):
    request = unreadable(text)
    assert (request.method, request.fields.get("HTTP_X_REQUEST_ID")) == (method, identity)


def test_no_request_line_is_none_on_a_new_connection_either():
    with pytest.raises(ProtocolError) as refused:
        HeadReader(LIMITS).read(bytearray(b"\r\nHost: a\r\n\r\n"))

    assert refused.value.status == 400


FIELDS = "Host: a\r\n\r\n"


@pytest.mark.parametrize("more", ["X: 1\r\n", "X: HTTP/1.1\r\n"])
def test_a_field_more_is_not_overlooked(more):
    """The bytes behind it are those of the head before, from a 1 on."""
    reader = HeadReader(LIMITS)
    reader.read(bytearray(f"GET / HTTP/1.1\r\n{FIELDS}".encode()))
    buffer = bytearray(f"GET /a HTTP/1.1\r\n{more}{FIELDS}".encode())

    assert "HTTP_X" in reader.read(buffer).fields
    assert not buffer


def test_a_long_line_is_refused_behind_the_same_fields_too():
    reader = HeadReader(LIMITS)
    reader.read(bytearray(f"GET / HTTP/1.1\r\n{FIELDS}".encode()))
    with pytest.raises(ProtocolError) as refused:
        reader.read(bytearray(f"GET /{'a' * LIMITS.line} HTTP/1.1\r\n{FIELDS}".encode()))

    assert refused.value.status == 414
