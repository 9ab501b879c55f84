"""Request and response on one connection, without ever blocking: the event loop's part of it."""

import selectors
from collections import deque
from typing import Any

from service.runtime.closing import Closing
from service.runtime.connection import READ_SIZE, Connection, Phase
from service.runtime.framing import State


class Exchange(Closing):
    """Reads requests whole, and sends the event loop's own answers.

    The worker says what to do with a request: on_request and the methods after it.
    """

    log: Any  # of gunicorn's worker

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.leftover: deque[Connection] = deque()  # with a next request in the buffer already

    def on_request(self, connection: Connection) -> None:
        """Deal with a request in connection.buffer, or the beginning of a large one."""
        raise NotImplementedError

    def on_slow_request(self, connection: Connection) -> None:
        """Deal with a request that did not arrive in time."""
        raise NotImplementedError

    def on_broken_request(self, connection: Connection) -> None:
        """Deal with a request that ended before its body did."""
        raise NotImplementedError

    def shake_hands(self, connection: Connection) -> None:
        """Go on with agreeing on TLS."""
        raise NotImplementedError

    def guard(self, action: Any, connection: Connection, *args: Any) -> None:
        """Run an action; whatever goes wrong costs this connection and not the worker."""
        try:
            action(connection, *args)
        except OSError:
            self.close(connection)
        except Exception:
            self.log.exception("closing a connection")
            self.close(connection)

    def on_event(self, connection: Connection, mask: int) -> None:
        """Go on with a connection that can be read or written."""
        if not connection.watched:
            # Reported before the next request was found in the buffer: to read on now could find
            # the end of the stream, and close with that request unanswered.
            return
        if connection.phase in (Phase.IDLE, Phase.READING):
            self.read(connection)
        elif connection.phase is Phase.FLUSHING:
            self.flush(connection)
        elif connection.phase is Phase.LINGERING:
            self.discard(connection)
        elif connection.phase is Phase.HANDSHAKE:
            self.shake_hands(connection)
        else:  # being served: what the client sends now is for later
            connection.port.watch(connection, 0)

    def read(self, connection: Connection) -> None:
        """Take what is there of a request."""
        try:
            data = connection.raw.recv(READ_SIZE)
        except BlockingIOError:
            connection.port.watch(connection, selectors.EVENT_READ)
            return
        if not data:
            self.on_end(connection)
            return
        connection.buffer += data
        if connection.phase is Phase.IDLE:
            if drop_blank(connection.buffer):
                connection.port.watch(connection, selectors.EVENT_READ)
                return
            self.begin(connection)
        self.advance(connection)

    def begin(self, connection: Connection) -> None:
        """Note that a request has begun."""
        connection.port.move(connection, Phase.READING)
        connection.began = connection.since

    def advance(self, connection: Connection) -> None:
        """Look how much of a request is in the buffer."""
        if connection.phase is not Phase.READING:
            return
        state = connection.frame.look(connection.buffer)
        if state in (State.COMPLETE, State.LARGE):
            self.on_request(connection)
            return
        if state is State.CONTINUE and not connection.continued:
            connection.continued = True
            connection.raw.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.port.watch(connection, selectors.EVENT_READ)

    def on_end(self, connection: Connection) -> None:
        """Answer half a body, which the app may not see, with 400; half a head is nothing."""
        if connection.frame.head_end >= 0:
            self.on_broken_request(connection)
        else:
            self.close(connection)

    def answer(self, connection: Connection, answer: bytes, keep: bool) -> None:
        """Send a response to the request at the start of the buffer."""
        connection.keep = keep
        connection.out = memoryview(answer)
        self.flush(connection)

    def flush(self, connection: Connection) -> None:
        """Send what is left; then wait for the next request or for the end."""
        try:
            connection.out = connection.out[connection.raw.send(connection.out) :]
        except BlockingIOError:
            pass
        if connection.out:
            if connection.phase is not Phase.FLUSHING:
                connection.port.move(connection, Phase.FLUSHING)
            connection.port.watch(connection, selectors.EVENT_WRITE)
        elif connection.keep:
            self.reuse(connection, connection.buffer[connection.frame.end :])
        else:
            self.linger(connection)

    def reuse(self, connection: Connection, rest: bytes | bytearray) -> None:
        """Wait for the next request, which `rest` may hold the beginning of."""
        connection.next_request(rest)
        connection.port.move(connection, Phase.IDLE)
        blank = drop_blank(connection.buffer)
        if not blank:
            self.begin(connection)
            self.leftover.append(connection)
        # What comes behind the next request can wait, or somebody fills the memory with it.
        connection.port.watch(connection, selectors.EVENT_READ if blank else 0)

    def follow(self, connection: Connection, rest: bytes) -> None:
        """As reuse, behind a thread.

        A client that is not watched has sent its next request meanwhile, as a busy one does: it is
        read at once. Two system calls and a turn of the loop less, 4 % of a small request's
        instructions.
        """
        if rest or connection.watched:
            self.reuse(connection, rest)
            return
        connection.next_request(rest)
        connection.port.move(connection, Phase.IDLE)
        self.read(connection)


def drop_blank(buffer: bytearray) -> bool:
    """Drop empty lines, which some send behind a request (RFC 9112 2.2); is that all there is?"""
    while buffer.startswith(b"\r\n"):
        del buffer[:2]
    return not buffer or buffer == b"\r"
