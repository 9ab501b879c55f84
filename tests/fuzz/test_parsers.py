"""Valid requests with a few bytes changed, read here and by gunicorn's own parser.

What both accept, both must read the same: a request that two servers read differently is one that
somebody can smuggle past one of them.
"""

import random

from gunicorn.config import Config
from gunicorn.http.errors import NoMoreData, ParseException
from gunicorn.http.parser import RequestParser

from service.http1.body import NO_BODY, Body
from service.http1.head import Limits, ProtocolError
from service.http1.head_reader import HeadReader
from tests.fuzz.test_requests import SEED, VALID, in_pieces, mutate

LIMITS = Limits(line=4094, fields=100, field=8190, body=1 << 20)
CONFIG = Config()
# What the app would not be told of, or in another way.
IGNORED = {"HTTP_EXPECT"}


def ours(pieces, forgetful=False):
    """Yield what is read of each request, up to the first one that is refused or cut off.

    One that is forgetful reads each head as if it were the connection's first.
    """
    reader, buffer = HeadReader(LIMITS), bytearray()
    request, body = None, NO_BODY
    for piece in pieces:
        buffer += piece
        while True:
            if request is None:
                while buffer.startswith(b"\r\n"):
                    del buffer[:2]
                try:
                    request = reader.read(buffer)
                except ProtocolError:
                    return
                if request is None:
                    break
                body = NO_BODY if request.length == 0 else Body(request, LIMITS)
            try:
                body.feed(buffer)
            except ProtocolError:
                return
            if not body.complete:
                break
            yield (
                request.method,
                request.target,
                request.query,
                request.minor,
                request.fields,
                bytes(body.data),
                request.keep_alive,
            )
            if not request.keep_alive:
                return
            request = None
            reader = HeadReader(LIMITS) if forgetful else reader


def theirs(data):
    """Yield the same, as gunicorn reads it."""
    parser = RequestParser(CONFIG, iter([data]), ("127.0.0.1", 1))
    while True:
        try:
            request = next(parser)
            body = request.body.read()
        except (ParseException, NoMoreData, StopIteration, OSError):
            return
        fields = {}
        for name, value in request.headers:
            key = name.replace("-", "_")
            key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
            fields[key] = f"{fields[key]},{value}" if key in fields else value
        minor = min(request.version[1], 1)
        yield request.method, request.uri, request.query, minor, fields, body


def test_no_request_is_read_differently(seed):
    chance = random.Random(SEED if seed is None else seed)  # noqa: S311
    count = 20_000 if seed is None else 1_000_000
    both = 0
    for number in range(count):
        data = mutate(chance.choice(VALID), chance) + chance.choice((b"", *VALID))
        for mine, other in zip(ours(in_pieces(data, chance)), theirs(data), strict=False):
            assert mine[:-1] == other, f"case {number}: {data!r}"
            both += 1
    print(f"{count} mutated requests: {both} accepted by both, none read differently")
    assert both > count / 4


def test_a_head_that_was_there_before_is_read_as_the_first_time(seed):
    chance = random.Random(SEED if seed is None else seed)  # noqa: S311
    repeated = 0
    for number in range(10_000 if seed is None else 500_000):
        valid = chance.choice(VALID)
        data = b"".join(chance.choice((valid, valid, mutate(valid, chance))) for _ in range(4))
        found = list(ours(in_pieces(data, chance)))
        assert found == list(ours([data], forgetful=True)), f"case {number}: {data!r}"
        repeated += len(found) > 1
    assert repeated > number / 4
