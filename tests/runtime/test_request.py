"""What the parser makes of a head. Which requests it refuses, test_hostile.py says."""

import sys

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


def test_many_headers_are_no_more_work_than_long_ones():
    """The event loop parses heads of probes. Nothing but their number made it slow."""

    def calls(header, count):
        seen = []
        sys.setprofile(lambda frame, event, argument: seen.append(event))
        try:
            with pytest.raises(LimitRequestHeaders):
                parse(*[header] * count, b"X: " + b"x" * 9000 + b"\r\n")
        finally:
            sys.setprofile(None)
        return len(seen)

    assert calls(b"X: yyyyy\r\n", 6000) < 2 * calls(b"X: " + b"y" * 8000 + b"\r\n", 7)
