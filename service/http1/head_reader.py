"""HTTP/1.1: where the head of a request ends, in what comes over a connection."""

import re
from itertools import pairwise

from service.http1.head import (
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
MOST_REMEMBERED = 2048  # bytes of a head; its connection keeps about five times as many
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
        # Of it: all ahead of the first field that may change, and that without the first line.
        self._start = self._behind_line = b""
        # The fields that may change: the name of each in the environ, and what is behind it.
        self._changing: list[tuple[str, bytes]] = []
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
        starts = [request.head.index(f"\n{line}\r") + 1 for line, _ in fields] + [len(sent)]
        self._start = sent[: starts[0]]
        self._behind_line = self._start[len(request.line[0]) :]
        self._changing = [
            (name, sent[start + len(line) : following])
            for (line, name), (start, following) in zip(fields, pairwise(starts), strict=True)
        ]
        self._framing_changes = any(name in FRAMING for _, name in fields)
        self._sent, self._request = sent, request

    def _take_changed(self, buffer: bytearray) -> Request | None:
        """Take a head that has other lines in those places; None if more is different."""
        before, at = self._request, len(self._start)
        line, fields = before.line, before.fields
        try:
            if not buffer.startswith(self._start):
                end = buffer.find(b"\r\n")
                if not buffer.startswith(self._behind_line, end):
                    return None
                line = read_line(buffer[:end].decode("latin-1"), self.limits)
                at = end + len(self._behind_line)
            if self._changing:
                fields = fields.copy()
            for key, behind in self._changing:
                end = buffer.find(b"\r\n", at)
                if not buffer.startswith(behind, end):
                    return None
                name, fields[key] = read_field(buffer[at:end].decode("latin-1"))
                if name != key or end + 2 - at > self.limits.field:
                    return None
                at = end + len(behind)
            request = Request(buffer[: at - 2].decode("latin-1"), line, before.lines, fields)
            if self._framing_changes:
                set_framing(request)
        except ProtocolError:
            return None  # read() says what is wrong
        if request.minor != before.minor:  # see parse()
            return None
        if not self._framing_changes:
            request.length, request.keep_alive = before.length, before.keep_alive
            request.expects_continue = before.expects_continue
        del buffer[:at]
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
