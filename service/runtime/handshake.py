"""The beginning of a connection under TLS: the event loop's part of it, which never blocks."""

import selectors
import time

from service.runtime.connection import Connection, Phase
from service.runtime.exchange import Exchange
from service.runtime.tls import PlainRequest, TlsSocket

# Seconds of a turn, and one handshake more. Each costs 0.3 ms with an EC key (P-256), and 1 ms with
# one of RSA (2048): who only wants many of them must not keep others waiting.
SHARE = 0.005


class Handshake(Exchange):
    """Agrees on TLS with clients that have something to say, before anything is read as HTTP."""

    shaking = 0.0  # seconds that handshakes took in this turn

    def on_plain_request(self, connection: Connection) -> None:
        """Deal with a client that does not speak TLS."""
        raise NotImplementedError

    def greet(self, connection: Connection) -> None:
        """Wait for the client to begin."""
        connection.port.move(connection, Phase.HANDSHAKE)
        connection.port.watch(connection, selectors.EVENT_READ)

    def shake_hands(self, connection: Connection) -> None:
        """Go on with a handshake; the first request may be there with its end."""
        if self.shaking > SHARE:
            return  # the poller will say again that something is there
        started = time.monotonic()
        raw = connection.raw
        if not isinstance(raw, TlsSocket):
            raw = connection.raw = connection.port.certificate.wrap(raw)
        try:
            events = raw.handshake()
        except PlainRequest:
            connection.raw = raw.as_plain()
            self.on_plain_request(connection)
            return
        except OSError as error:
            self.log.debug("no TLS with %s: %s", connection.client, error)
            raise
        finally:
            self.shaking += time.monotonic() - started
        if events:
            connection.port.watch(connection, events)
        else:
            connection.port.move(connection, Phase.IDLE)
            self.read(connection)
