"""HTTP/1.1: what the head of a request says, and what is wrong with it.

RFC 9112, and stricter wherever two readers of one request might disagree. Everything that needs to
know about a request asks the one Request that is made here.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes, urlsplit

# RFC 9110 section 5.6.2. Repetitions without a bound are possessive: no input makes a search slow.
NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
# Methods are upper case by convention. RFC 9112 section 3: one space between the parts.
REQUEST_LINE = re.compile(r"([!$%&'*+.^_`|~0-9A-Z-]{3,20}) ([!-~]++) HTTP/1\.([0-9])")
# RFC 9110 section 5.5: no control characters but the tab in a value. So a match does not go beyond
# its line. It begins where a line does: without that a search takes quadratic time.
FIELD = re.compile(rf"(?m:^)({NAME}):[ \t]*+([^\x00-\x08\n-\x1f\x7f]*+)")
# RFC 9110 section 7.2: uri-host [ ":" port ], of RFC 3986 sections 3.2.2 and 3.2.3.
HOST = re.compile(r"([A-Za-z0-9._~!$&'()*+,;=%-]*+|\[[0-9A-Fa-f:.]++\])(:[0-9]*+)?")
NUMBER = re.compile("[0-9]{1,4300}")  # more digits than that, int() refuses
REQUEST_ID = re.compile(r"(?i)\nx-request-id:[ \t]*+([!-~]++)[ \t]*+\r")
# RFC 9110 section 5.3: a second one cannot be merged with the first.
SINGLE = {"HTTP_HOST", "CONTENT_TYPE", "CONTENT_LENGTH"}
CODINGS = {"chunked", "identity", "compress", "deflate", "gzip"}


class ProtocolError(OSError):
    """A request that gets an error, whatever the app says; `status` says which.

    An OSError, as what reads a body expects it of a connection that breaks.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class IncompleteBody(ProtocolError):
    """The client has gone, or has closed its side, before the end of the body."""

    def __init__(self) -> None:
        super().__init__(400, "The body is incomplete.")


@dataclass(frozen=True)
class Limits:
    """The largest request that is read: bytes of a line, a field and a body, number of fields."""

    line: int
    fields: int
    field: int
    body: int


Lines = dict[str, tuple[str, str]]  # of fields: name in the environ, and value


# The first line as it was sent, and what it says: method, target, path, query, and the minor of
# HTTP/1.x. All from 1 on are answered as 1.1 (RFC 9110 section 6.2). The target is as it was sent,
# the path is decoded. A NamedTuple makes reading the line a seventh dearer.
RequestLine = tuple[str, str, str, str, str, int]


class Request:
    """The head of a request. Nobody changes it: the next one may be the same (see HeadReader).
    But `kind` is set where it is first asked for.

    `fields` has the names that WSGI gives them (HTTP_HOST, CONTENT_TYPE); several fields of one
    name are one, with commas. `length` is that of the body in bytes, None if it comes in chunks.
    """

    # Most requests have these values, and need not set them.
    length: int | None = 0
    keep_alive = expects_continue = False
    kind = ""  # until somebody asks for it: see Connection

    def __init__(self, head: str, line: RequestLine, lines: Lines, fields: dict[str, str]) -> None:
        self.head = head
        self.line, self.lines = line, lines
        _, self.method, self.target, self.path, self.query, self.minor = line
        self.fields = fields


NO_LINE: RequestLine = ("", "", "", "", "", 1)
NO_REQUEST = Request("", NO_LINE, {}, {})  # before a head is there


def parse(head: str, limits: Limits, before: Request = NO_REQUEST) -> Request:
    """Return the request of a head that ends with its last field; raises ProtocolError.

    Lines that `before`, the request that the reader remembers, had too are not read again.
    """
    first, *lines, _ = head.split("\r\n")
    line = before.line if first and first == before.line[0] else read_line(first, limits)
    if len(head) > limits.field and len(lines) <= limits.fields:
        if max(map(len, lines), default=0) + 2 > limits.field:
            raise ProtocolError(431, "A header is too long.")
    read, fields = parse_fields(lines, limits, before.lines)
    request = Request(head, line, read, fields)
    if "HTTP_HOST" not in fields and request.minor:  # RFC 9112 section 3.2
        raise ProtocolError(400, "There is no Host.")
    set_framing(request)
    return request


def read_line(text: str, limits: Limits) -> RequestLine:
    """Return what a request line says (RFC 9112 section 3.2)."""
    if len(text) > limits.line:
        raise ProtocolError(414, "The request line is too long.")
    match = REQUEST_LINE.fullmatch(text)
    if match is None:
        raise ProtocolError(400, f"The request line is malformed: {text[:80]!a}")
    method, target, minor = match.groups()
    query = ""
    # Behind any 2xx to CONNECT the connection would be a tunnel: RFC 9110 section 9.3.6. No form of
    # a target has a fragment; a proxy may read it otherwise.
    if method == "CONNECT" or "#" in target:
        raise ProtocolError(400, "There are no tunnels and no fragments here.")
    if target[0] == "/":
        path, _, query = target.partition("?")
    elif target == "*" and method == "OPTIONS":
        path = target
    elif "://" in target:
        try:
            parts = urlsplit(target)  # the Host counts, not the one in here
        except ValueError:
            raise ProtocolError(400, f"The target is malformed: {target[:80]!a}") from None
        path, query = parts.path or "/", parts.query  # RFC 9110 section 4.2.3
    else:
        raise ProtocolError(400, f"The target is malformed: {target[:80]!a}")
    path = unquote_to_bytes(path).decode("latin-1") if "%" in path else path
    return text, method, target, path, query, 0 if minor == "0" else 1


# What a name is called in the environ, as it was sent: looking it up is cheaper than making it.
KEYS: dict[str, str] = {}
MOST_KEYS = 1000  # clients can invent more


def _environ_key(name: str) -> str:
    """Return the name that PEP 3333 gives to a field; "" for one that is dropped.

    X_Forwarded_For and X-Forwarded-For have the same name there, so the first one is dropped.
    """
    key = name.upper().replace("-", "_")
    if "_" in name:
        key = ""
    elif key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        key = f"HTTP_{key}"
    if len(KEYS) < MOST_KEYS:
        KEYS[name] = key
    return key


def read_field(match: re.Match[str] | None) -> tuple[str, str]:
    """Return a field's name in the environ, and its value, for what FIELD has found of its line."""
    if match is None:
        raise ProtocolError(400, "A header is malformed.")
    name, value = match.groups()
    key = KEYS.get(name)
    if key is None:
        key = _environ_key(name)
    value = value.rstrip(" \t")
    if key == "HTTP_HOST" and not HOST.fullmatch(value):
        raise ProtocolError(400, "The Host is malformed.")
    return key, value


def parse_fields(lines: list[str], limits: Limits, known: Lines) -> tuple[Lines, dict[str, str]]:
    """Return what each line of a head or trailer section says, and its fields.

    Raises ProtocolError.
    """
    if len(lines) > limits.fields:
        raise ProtocolError(431, "There are too many headers.")
    read = {line: known.get(line) or read_field(FIELD.fullmatch(line)) for line in lines}
    fields = dict(read.values())
    if len(fields) < len(lines):
        fields = _merged(lines)
    fields.pop("", None)
    return read, fields


def _merged(lines: list[str]) -> dict[str, str]:
    """Return fields of which some have the same name."""
    values: dict[str, list[str]] = {}
    for line in lines:
        key, value = read_field(FIELD.fullmatch(line))
        if key in SINGLE and key in values:
            raise ProtocolError(400, f"There is more than one {line.partition(':')[0][:80]}.")
        values.setdefault(key, []).append(value)
    return {key: ",".join(several) for key, several in values.items()}


def set_framing(request: Request) -> None:
    """Find out where the request ends, and whether another may follow."""
    fields = request.fields
    if "HTTP_TRANSFER_ENCODING" in fields:
        _check_coding(request)
        request.length = None
    elif (length := fields.get("CONTENT_LENGTH")) is not None:
        if not NUMBER.fullmatch(length):
            raise ProtocolError(400, "The Content-Length is malformed.")
        # PYTHONINTMAXSTRDIGITS may be 640; what has 19 digits is larger than any limit.
        request.length = int(length if len(length) < 20 else length.lstrip("0")[:19] or "0")
    request.keep_alive = request.minor == 1
    if (options := fields.get("HTTP_CONNECTION")) is not None:
        # A list. It may come in several lines (RFC 9110 section 7.6.1).
        tokens = {option.strip(" \t") for option in options.lower().split(",")}
        request.keep_alive = "close" not in tokens and (
            request.minor == 1 or "keep-alive" in tokens
        )
    if (expect := fields.get("HTTP_EXPECT")) is not None:
        if expect.lower() != "100-continue":
            raise ProtocolError(417, "Only 100-continue can be expected.")
        request.expects_continue = request.minor == 1  # RFC 9110 section 10.1.1


def _check_coding(request: Request) -> None:
    """Refuse every Transfer-Encoding but chunked (RFC 9112 section 6.1)."""
    coding = request.fields["HTTP_TRANSFER_ENCODING"].lower()
    codings = [each.strip(" \t") for each in coding.split(",")]
    if set(codings) - CODINGS:
        raise ProtocolError(501, "The Transfer-Encoding is unknown.")
    # The last one and once, or nobody knows where the body ends; nor may there be a length, too.
    last = codings.count("chunked") == 1 and codings[-1] == "chunked"
    if not last or "CONTENT_LENGTH" in request.fields or not request.minor:
        raise ProtocolError(400, "The Transfer-Encoding leaves the end of the body open.")
    if len(codings) > 1:  # the app would get the body as it is coded
        raise ProtocolError(501, "The Transfer-Encoding is not supported.")


def unreadable(head: str) -> Request:
    """Return what can be said of a request whose head is malformed: its method, and an id."""
    method = head.partition(" ")[0]
    known = method if len(method) <= 20 and method.isalpha() else ""
    request = Request(head, ("", known, "", "", "", 1), {}, {})
    if given := REQUEST_ID.search(head):
        request.fields["HTTP_X_REQUEST_ID"] = given[1]
    return request
