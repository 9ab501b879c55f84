"""HTTP/1.1: where the head of a request ends, in what comes over a connection."""

import re
from itertools import pairwise

from service.http1.head import (
    FIELD,
    NO_REQUEST,
    Limits,
    ProtocolError,
    Request,
    parse,
    read_field,
    read_line,
    set_framing,
)

# What they say decides where a request ends, and whether another follows: see set_framing().
FRAMING = {"HTTP_TRANSFER_ENCODING", "CONTENT_LENGTH", "HTTP_CONNECTION", "HTTP_EXPECT"}
BARE_LF = re.compile(rb"(?<!\r)\n")
MOST_REMEMBERED = 2048  # bytes of a head; its connection keeps five to ten times as many
MOST_COMPARED = 2 * MOST_REMEMBERED  # bytes of a head that may differ; a longer one is read anew
MOST_CHANGING = 5  # fields: a gateway and a tracer set some anew for each request


class HeadReader:
    """Finds heads in a growing buffer, and looks at each byte about once.

    A client sends the same head again, or one that differs in a few lines. The same bytes mean the
    same: to read all of them anew is a third of a refusal's instructions.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.head = ""  # one that is malformed, as far as it is there
        self._sent = b""  # the latest that was remembered, with its empty line
        self._request = NO_REQUEST  # what that says
        self._start = ""  # its text from the second line to the first field that may change
        # The fields that may change: the name of each in the environ, and what is behind it.
        self._changing: list[tuple[str, str]] = []
        self._framing_changes = False  # whether one of these says where a request ends
        self._searched = self._lines = self._line_start = 0

    def read(self, buffer: bytearray) -> Request | None:
        """Take a head from the buffer, if all of it is there; raises ProtocolError."""
        if (sent := self._sent) and not self._searched:
            # To compare all costs a third of startswith(), and mostly nothing is behind a head.
            if buffer == sent or (len(buffer) > len(sent) and buffer.startswith(sent)):
                del buffer[: len(sent)]
                return self._request
            if (changed := self._take_changed(buffer)) is not None:
                return changed
        end = buffer.find(b"\r\n\r\n", max(0, self._searched - 3))
        if end < 0:
            self._check(buffer)
            return None
        sent = bytes(buffer[: end + 4])
        del buffer[: end + 4]
        self._searched = self._lines = self._line_start = 0
        self.head = sent[:-2].decode("latin-1")
        request = parse(self.head, self.limits, self._request)
        self.head = ""
        if len(sent) <= MOST_REMEMBERED:
            self._remember(sent, request)
        return request

    def _remember(self, sent: bytes, request: Request) -> None:
        """Keep a head. Its fields that the one before did not have may change again.

        No field may if more than MOST_CHANGING are new, if two have one name (a list), or if one
        is dropped. The first line always may.
        """
        before, fields = self._request, []
        new = request.lines.keys() - before.lines.keys() if before is not NO_REQUEST else ()
        if len(new) <= MOST_CHANGING and request.head.count("\n") - 1 == len(request.fields):
            fields = [(line, name) for line, (name, _) in request.lines.items() if line in new]
        text = sent.decode("latin-1")
        second_line = len(request.line[0]) + 2
        starts = [text.index(f"\n{line}\r") + 1 for line, _ in fields] + [len(text)]
        self._start = text[second_line : starts[0]]
        self._changing = [
            (name, text[start + len(line) : following])
            for (line, name), (start, following) in zip(fields, pairwise(starts), strict=True)
        ]
        self._framing_changes = any(name in FRAMING for _, name in fields)
        self._sent, self._request = sent, request

    def _take_changed(self, buffer: bytearray) -> Request | None:
        """Take a head that differs from the kept one in its first line and fields that may change.

        None if more is different, or for a head that is malformed or long.
        """
        before = self._request
        text = buffer[:MOST_COMPARED].decode("latin-1")
        first, _, rest = text.partition("\r\n")
        if not rest.startswith(self._start):
            return None
        at, fields = len(self._start), before.fields
        try:
            line = before.line if first == before.line[0] else read_line(first, self.limits)
            if self._changing:
                fields = fields.copy()
            for key, behind in self._changing:
                field = FIELD.match(rest, at)
                if not (field and rest.startswith(behind, end := field.end())):
                    return None
                name, fields[key] = read_field(field)
                if name != key or end + 2 - at > self.limits.field:
                    return None
                at = end + len(behind)
            request = Request(text[: len(first) + at], line, before.lines, fields)
            if self._framing_changes:
                set_framing(request)
        except ProtocolError:
            return None  # read() says what is wrong
        if request.minor != before.minor:  # see parse()
            return None
        if not self._framing_changes:
            request.length, request.keep_alive = before.length, before.keep_alive
            request.expects_continue = before.expects_continue
        del buffer[: len(first) + 2 + at]
        return request

    def _check(self, buffer: bytearray) -> None:
        """Refuse what no further byte can mend."""
        start, self._searched = self._searched, len(buffer)
        if (last := buffer.rfind(b"\n", start)) >= 0:
            self._lines += buffer.count(b"\n", start)
            self._line_start = last + 1
        limits, error = self.limits, None
        if BARE_LF.search(buffer, start):
            error = ProtocolError(400, "A line ends without CR.")
        elif not self._lines and len(buffer) - 2 > limits.line:
            error = ProtocolError(414, "The request line is too long.")
        elif self._lines > limits.fields + 1:
            error = ProtocolError(431, "There are too many headers.")
        elif self._lines and len(buffer) - self._line_start > limits.field:
            error = ProtocolError(431, "A header is too long.")
        if error:
            self.head = buffer.decode("latin-1")
            raise error
