"""The body of a request, decoded as it arrives."""

import io
import re
from collections.abc import Callable

from service.http1.head import (
    NO_REQUEST,
    IncompleteBody,
    Limits,
    ProtocolError,
    Request,
    parse_fields,
)

# RFC 9112 section 7.1.1: chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted ) ] ).
# Possessive (++, *+), so that no extension makes a search slow.
TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*+"'
CHUNK = re.compile(
    rb"([0-9A-Fa-f]++)(?:[ \t]*+;[ \t]*+%b(?:[ \t]*+=[ \t]*+(?:%b|%b))?+)*+"
    % (TOKEN, TOKEN, QUOTED)
)
PLAIN_CHUNK = re.compile(rb"([1-9A-Fa-f][0-9A-Fa-f]{0,6})\r\n")
CRLF = b"\r\n"
LONGEST_LINE = 8190  # bytes of a chunk's first line, extensions included
LONGEST_TRAILERS = 65536  # bytes
# RFC 9110 section 6.5.1: they would change what was read before them.
FORBIDDEN_TRAILERS = {
    "HTTP_HOST",
    "CONTENT_LENGTH",
    "HTTP_TRANSFER_ENCODING",
    "HTTP_TRAILER",
    "HTTP_AUTHORIZATION",
    "HTTP_TE",
}


class TooLarge(ProtocolError):
    """A body of more bytes than are allowed."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(413, f"A body may have {limits.body} bytes at most.")


class Body:
    """Takes the body out of what a connection has sent; looks at each byte about once.

    `data` is what has come of it and nobody has taken yet. Of one that is too large the rest is
    dropped as it comes: the next request may follow.
    """

    def __init__(self, request: Request, limits: Limits) -> None:
        self.data = bytearray()
        self.expects_continue = request.expects_continue  # the client waits before it sends it
        self.left = request.length or 0  # bytes of it, or of the present chunk, that are to come
        self.complete = request.length == 0
        self.too_large = self.left > limits.body
        self.error: ProtocolError | None = None  # why there will be no more
        self.limits = limits
        self.size = 0  # bytes of the body so far
        self._feed = self._by_length if request.length is not None else self._by_chunks
        self._in_chunk = False  # its data, or the line end behind them
        self._in_trailers = False
        self._searched = 0

    def feed(self, buffer: bytearray) -> None:
        """Take what belongs to it from the buffer; raises ProtocolError, also the next time."""
        if self.error:
            raise self.error
        try:
            if not self.complete:
                self._feed(buffer)
        except ProtocolError as error:
            self.error = error
            raise

    def end(self) -> None:
        """Note that nothing more will come; raises IncompleteBody, as it was not all."""
        self.error = self.error or IncompleteBody()
        raise self.error

    @property
    def is_skippable(self) -> bool:
        """Whether the rest can be read without the app, and the next request found behind it.

        A client that waits for 100 Continue may send the body or the next request.
        """
        return self.complete or not (self.error or self.too_large or self.expects_continue)

    def _take(self, piece: bytearray) -> None:
        self.left -= len(piece)
        self.size += len(piece)
        self.too_large = self.too_large or self.size > self.limits.body
        if not self.too_large:
            self.data += piece

    def _by_length(self, buffer: bytearray) -> None:
        piece = buffer[: self.left]
        del buffer[: self.left]
        self._take(piece)
        self.complete = not self.left

    def _by_chunks(self, buffer: bytearray) -> None:
        at = 0  # so much of the buffer has been dealt with
        while not self._in_trailers:
            if self.left:
                piece = buffer[at : at + self.left]
                self._take(piece)
                at += len(piece)
                if self.left:
                    break
            if self._in_chunk:
                end = buffer[at : at + 2]
                if end != CRLF and not CRLF.startswith(end):
                    raise ProtocolError(400, "A chunk is longer than it says.")
                if len(end) < 2:
                    break
                at += 2
                self._in_chunk = False
            if (line := self._chunk_line(buffer, at)) is None:
                break
            size, at = line
            self.left = size
            self._in_chunk, self._in_trailers = size > 0, size == 0
        del buffer[:at]
        if self._in_trailers:
            self._trailers(buffer)

    def _chunk_line(self, buffer: bytearray, at: int) -> tuple[int, int] | None:
        """Return the size of the chunk that begins there, and where its data do, if that is there.

        The line end of the last one is left: trailers, if there are any, begin behind one.
        """
        if (plain := PLAIN_CHUNK.match(buffer, at)) is not None:  # as nearly all
            self._searched = 0
            return int(plain[1], 16), plain.end()
        end = buffer.find(CRLF, at + max(0, self._searched - 1))
        length = (len(buffer) if end < 0 else end) - at
        if length > LONGEST_LINE:
            raise ProtocolError(400, "The first line of a chunk is too long.")
        if end < 0:
            if buffer.find(b"\n", at + self._searched) >= 0:
                raise ProtocolError(400, "The first line of a chunk ends without CR.")
            self._searched = length
            return None
        self._searched = 0
        chunk = CHUNK.fullmatch(buffer, at, end)
        if chunk is None:
            raise ProtocolError(400, "The first line of a chunk is malformed.")
        size = int(chunk[1], 16)
        return size, end + 2 if size else end

    def _trailers(self, buffer: bytearray) -> None:
        end = buffer.find(b"\r\n\r\n", max(0, self._searched - 3))
        if (len(buffer) if end < 0 else end) > LONGEST_TRAILERS:
            raise ProtocolError(400, "The trailers are too long.")
        if end < 0:
            self._searched = len(buffer)
            return
        lines = buffer[2:end].decode("latin-1").split("\r\n") if end else []
        try:
            _, fields = parse_fields(lines, self.limits, {})
        except ProtocolError as error:
            raise ProtocolError(400, f"Behind the body: {error}") from None
        if FORBIDDEN_TRAILERS & fields.keys():
            raise ProtocolError(400, "There is a trailer that must be a header.")
        del buffer[: end + 4]
        self.complete = True


# Of a request without one, and so of most.
NO_BODY = Body(NO_REQUEST, Limits(0, 0, 0, 0))


class Unread(io.RawIOBase):
    """A body that has not come whole yet, as a raw stream; an io.BufferedReader makes it a file.

    `more` waits for more of it, and raises ProtocolError if none will come.
    """

    def __init__(self, body: Body, more: Callable[[], None]) -> None:
        self._body = body
        self._more = more

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        """Wait for some bytes; 0 is the end. Raises ProtocolError."""
        body = self._body
        while not (body.data or body.complete or body.too_large):
            self._more()
        if body.too_large:
            body.error = body.error or TooLarge(body.limits)
            raise body.error
        size = min(len(target), len(body.data))
        target[:size] = body.data[:size]
        del body.data[:size]
        return size
