"""The head of a response that an app makes: checked, and as bytes."""

import re
from typing import NamedTuple

from gunicorn import SERVER

from service.http1.answers import date
from service.http1.head import NAME

STATUS = re.compile(r"([0-9]{3})(?: [\t -~\x80-\xff]*+)?")
HEADER_NAME = re.compile(NAME)
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")  # but line ends: those are counted
# RFC 9110 section 7.6.1, and the two that are the server's. Of Connection, `close` is heard.
OURS = {
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "server",
    "date",
}
# Names of headers in lower case, "" for those that are ours to send, as apps write them: looking
# one up is cheaper than looking at it.
NAMES: dict[str, str] = {}
MOST_NAMES = 1000


class Headers(NamedTuple):
    """What an app wants to send, as lines, and what of it decides about the connection."""

    lines: str
    length: int | None
    closes: bool


def status_code(status: str) -> int:
    """Return the code of a status line; raises ValueError for one that is none."""
    match = STATUS.fullmatch(status)
    if match is None:
        raise ValueError(f"invalid status {status!r}")
    return int(match[1])


def checked(headers: list[tuple[str, str]], bare: bool = False) -> Headers:
    """Return what may be sent of headers; of a bare response (RFC 9110 section 8.6) no length.

    Raises ValueError or TypeError for what is wrong with them.
    """
    lines, length, closes = [], None, False
    for name, value in headers:
        known = NAMES.get(name)
        if known is None:
            known = _known(name)
        if known == "content-length":
            if not (value.isascii() and value.isdigit()):
                raise ValueError("invalid Content-Length")
            length = int(value)
            known = "" if bare else known
        elif known == "connection":
            closes = closes or "close" in value.lower()
            known = ""
        if known:
            lines.append(name + ": " + value + "\r\n")
    text = "".join(lines)
    if CONTROL.search(text) or not len(lines) == text.count("\n") == text.count("\r"):
        raise ValueError("there is a control character in a header")  # its value may be secret
    return Headers(text, None if bare else length, closes)


def _known(name: str) -> str:
    if not HEADER_NAME.fullmatch(name):
        raise ValueError(f"invalid name of a header: {name!r}")
    known = name.lower()
    known = "" if known in OURS else known
    if len(NAMES) < MOST_NAMES:
        NAMES[name] = known
    return known


def head(minor: int, status: str, lines: str, *, keep: bool, chunked: bool) -> bytes:
    """Return the head of a response in HTTP/1.`minor`."""
    connection = "keep-alive" if keep else "close"
    coding = "Transfer-Encoding: chunked\r\n" if chunked else ""
    return (
        f"HTTP/1.{minor} {status}\r\nServer: {SERVER}\r\nDate: {date()}\r\n"
        f"Connection: {connection}\r\n{coding}{lines}\r\n"
    ).encode("latin-1")
