"""What the parser makes of a head. Which requests it refuses, test_hostile.py says."""

import timeit

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import LimitRequestHeaders

from service.runtime.request import PodParser


def parse(*headers):
    head = b"".join([b"GET http://a HTTP/1.9\r\nHost: a\r\n", *headers, b"\r\n"])
    return next(PodParser(Config(), [head], ("127.0.0.1", 1)))


def test_path_and_version():
    request = parse()
    assert (request.path, request.version) == ("/", (1, 1))


def test_number_of_headers():
    assert len(parse(*[b"X: y\r\n"] * 99).headers) == 100
    with pytest.raises(LimitRequestHeaders):
        parse(*[b"X: y\r\n"] * 100)


def test_many_headers_take_no_longer_than_long_ones():
    """The event loop parses heads of probes. Nothing but their number made it slow."""

    def seconds(header, count):
        def run():
            with pytest.raises(LimitRequestHeaders):
                parse(*[header] * count, b"X: " + b"x" * 9000 + b"\r\n")

        return min(timeit.repeat(run, number=1, repeat=20))

    assert seconds(b"X: yyyyy\r\n", 6000) < seconds(b"X: " + b"y" * 8000 + b"\r\n", 7)
