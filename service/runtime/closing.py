"""How a connection ends, so that the client gets its last answer whole."""

import selectors
import socket

from service.runtime.connection import READ_SIZE, Connection, Phase

LONGEST_LINGER = 1 << 20  # bytes of an unwanted upload to discard while waiting for its end


class Closing:
    """Part of the event loop."""

    def linger(self, connection: Connection) -> None:
        """Close our side, and theirs when they have (RFC 9112 section 9.6).

        Nothing can get lost with a client that has said that it sends no more: close at once. Under
        TLS it always sends more, which is that it closes.
        """
        frame = connection.frame
        if frame.last and frame.is_complete and not connection.port.certificate:
            self.close(connection)
            return
        connection.raw.shutdown(socket.SHUT_WR)
        connection.port.move(connection, Phase.LINGERING)
        connection.port.watch(connection, selectors.EVENT_READ)

    def discard(self, connection: Connection) -> None:
        """Read what nobody wants any more, up to the client's end or LONGEST_LINGER."""
        try:
            data = connection.raw.recv(READ_SIZE)
        except BlockingIOError:  # a thread has read it since the event
            return
        connection.discarded += len(data)
        if not data or connection.discarded > LONGEST_LINGER:
            self.close(connection)

    def close(self, connection: Connection) -> None:
        """Close at once."""
        if connection.phase is Phase.CLOSED:
            return
        connection.port.watch(connection, 0)
        connection.port.move(connection, Phase.CLOSED)
        connection.raw.close()
