"""Valid requests with a few bytes changed, on both ports of the real process.

What comes back is compared with a second opinion on where each request ends: a request that only
we see is one that somebody can smuggle past a proxy that sees none.
"""

import json
import random
import re
import time

import pytest

from tests.fuzz.second_opinion import Asked, requests
from tests.runtime.gunicorn_process import OURS, SAMPLE, Gunicorn
from tests.runtime.invariants import assert_unharmed
from tests.runtime.raw import connect, get, is_problem, read_all, responses

SEED = 20261124  # of the short run

INNER = b"DELETE /api/echo HTTP/1.1\r\nHost: a\r\n\r\n"  # looks like a request, and is a body
HEAD = b"POST /api/echo HTTP/1.1\r\nHost: a\r\n"
VALID = [
    b"GET /api/echo?a=1&b=%C3%A9 HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html,*/*;q=0.8\r\nCookie: a=b\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: application/openmetrics-text;version=1.0.0\r\n"
    b"\r\n",
    b"GET http://a/api/identity HTTP/1.1\r\nHost: a\r\nX-Request-ID: abc\r\n\r\n",
    b"OPTIONS /api/echo HTTP/1.1\r\nHost: a:8000\r\nTraceParent: 00-" + b"a" * 32 + b"-"
    b"b00000000000000b-01\r\nTraceState: a=b\r\n\r\n",
    HEAD + b"Content-Length: %d\r\n\r\n" % len(INNER) + INNER,
    HEAD + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(INNER), INNER),
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nab\r\n3\r\ncde\r\n0\r\nX: y\r\n\r\n",
    HEAD + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /api/echo HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(INNER) + INNER,
]
PIECES = [
    *(b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b";", b",", b"%", b"#", b"/", b"0", b"\xff"),
    *(b"\r\n ", b"\r\n\r\n", b"0\r\n\r\n", b"%00", b"%0d%0a", b"\x0b", b"\x85", b"\xa0", b"\x1b"),
    *(b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n"),
    *(b"Transfer-Encoding: identity\r\n", b"Connection: close\r\n", b"Host: b\r\n", b" HTTP/1.1"),
    *(b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\n", b"X-Connection: close\r\n", b"chunked"),
    *(
        b"Transfer-Encoding",
        b"Content-Length",
        b"+",
        b"-",
        b"0x",
        b"f" * 20,
        b"9" * 20,
        b"x" * 9000,
    ),
]


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Change, insert, remove, repeat or move something, up to four times."""
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4))):
        start = chance.randrange(len(data) + 1)
        if chance.random() < 0.5:  # where a header or a chunk begins, most is still well-formed
            start = chance.choice([0, *(line.end() for line in re.finditer(b"\r\n", data))])
        end = min(len(data), start + chance.choice((1, 1, 2, 5, 20)))
        match chance.randrange(6):
            case 0:
                data = data[:start] + bytes([chance.randrange(256)]) + data[start + 1 :]
            case 1 | 2:
                data = data[:start] + chance.choice(PIECES) + data[start:]
            case 3:
                data = data[:start] + data[end:]
            case 4:
                data = data[:end] + data[start:]
            case 5:
                other = chance.randrange(len(data) + 1)
                data = data[:other] + data[start:end] + data[other:]
    return data


def in_pieces(data: bytes, chance: random.Random) -> list[bytes]:
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.choice((0, 0, 1, 3))))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def exchange(port: int, pieces: list[bytes]) -> bytes:
    with connect(port) as sock:
        try:
            for piece in pieces:
                sock.sendall(piece)
                time.sleep(0.001 if len(pieces) > 1 else 0)
            sock.shutdown(1)
        except OSError:
            pass  # it has answered and closed
        return read_all(sock)


def check(answer: bytes, asked: list[Asked]) -> None:
    """Each request has its answer; what the other does not see as one gets one, the last."""
    answers = [one for one in responses(answer) if one[0] != 100]
    for number, (status, headers, body) in enumerate(answers):
        assert status in (200, 400, 404, 405, 408, 413, 414, 417, 431, 501)
        assert headers["x-pod-name"] == "pod-1"
        assert status == 200 or is_problem(status, headers, body)
        last = number == len(answers) - 1
        assert last or headers["connection"] == "keep-alive"
        echoed = status == 200 and body.startswith(b'{"method"')
        if number >= len(asked):
            assert headers["connection"] == "close" and not echoed
        elif echoed:
            echo = json.loads(body)
            assert (echo["method"], echo["body_bytes"]) == (
                asked[number].method,
                len(asked[number].body),
            )


@pytest.fixture(scope="module")
def server():
    with Gunicorn(*OURS, SAMPLE, READ_TIMEOUT="5") as gunicorn:
        yield gunicorn
        assert_unharmed(gunicorn)


def test_mutated_requests(server, seed):
    chance = random.Random(SEED if seed is None else seed)  # noqa: S311
    count = 3_000 if seed is None else 20_000
    statuses: dict[int, int] = {}
    for number in range(count):
        data = mutate(chance.choice(VALID), chance) + chance.choice((b"", *VALID))
        port = chance.choice((server.port, server.port, server.management))
        pieces = in_pieces(data, chance)
        answer = exchange(port, pieces)
        try:
            check(answer, requests(data))
            if number % 50 == 0:
                assert get(server.port, "/version")[0] == 200
                assert get(server.management, "/healthz")[0] == 200
        except AssertionError as error:
            raise AssertionError(f"case {number}: {pieces} got {answer!r}") from error
        for status, *_ in responses(answer):
            statuses[status] = statuses.get(status, 0) + 1
    print(f"{count} mutated requests: {dict(sorted(statuses.items()))}")
    assert statuses[200] > count / 5 and statuses[400] > count / 5
