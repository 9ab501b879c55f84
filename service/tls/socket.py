"""TLS for the service's port: a socket that behaves as a plain one does, and its settings."""

import contextlib
import errno
import selectors
import socket
import ssl
from typing import Any

# "Intermediate" of https://wiki.mozilla.org/Security/Server_Side_TLS: for what is not sure to have
# modern clients only. Proxies are clients here, and nginx before 1.23.4 speaks no 1.3 to what is
# behind it unless told to.
OLDEST = ssl.TLSVersion.TLSv1_2
# Of TLS 1.2; all that 1.3 has are good. Forward secrecy and authenticated encryption, nothing else,
# and of OpenSSL's levels of strength the one that Python means, whatever the image's default is.
CIPHERS = "@SECLEVEL=2:ECDHE+AESGCM:ECDHE+CHACHA20"

# Acknowledge the end of the handshake at once: we send no ticket that would do it by the way, and
# a client without TCP_NODELAY keeps its request back until then, 40 ms by default.
QUICKACK = getattr(socket, "TCP_QUICKACK", None)  # Linux alone has it


class PlainRequest(Exception):
    """Raised by a handshake: the client does not speak TLS but plain HTTP."""


class TlsSocket(ssl.SSLSocket):
    """Never blocks, and raises BlockingIOError and ConnectionResetError as a plain socket does.

    A read must ask for a whole record at least, 16384 bytes (RFC 8446 section 5.1). What is left of
    one is inside OpenSSL, and no poller sees it there.
    """

    _ended = False  # we have said that we send no more

    def handshake(self) -> int:
        """Go on with it; return the selector events to wait for, 0 when it is done.

        Raises PlainRequest, and OSError for whatever else is wrong with the client.
        """
        try:
            self.do_handshake()
        except ssl.SSLWantReadError:
            return selectors.EVENT_READ
        except ssl.SSLWantWriteError:
            return selectors.EVENT_WRITE
        except ssl.SSLError as error:
            if error.reason == "HTTP_REQUEST":
                raise PlainRequest from None
            raise
        if QUICKACK is not None:
            self.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)
        return 0

    def as_plain(self) -> socket.socket:
        """Return the connection without TLS; this object is of no use any more."""
        plain = socket.socket(fileno=self.detach())
        plain.setblocking(False)
        return plain

    def recv(self, size: int = 16384, flags: int = 0) -> bytes:
        """Receive; behind shutdown() it is bytes that nobody decrypts, to see where they end."""
        if self._ended:
            return socket.socket.recv(self, size)
        try:
            return super().recv(size)
        except ssl.SSLWantReadError:
            raise BlockingIOError(errno.EAGAIN, "not a whole record yet") from None
        except ssl.SSLError as error:
            raise ConnectionResetError(errno.ECONNRESET, str(error.reason)) from None

    def send(self, data: Any, flags: int = 0) -> int:
        """Send at most a record; after BlockingIOError it must be the same data again."""
        try:
            return super().send(data)
        except ssl.SSLWantWriteError:
            raise BlockingIOError(errno.EAGAIN, "no room to send") from None
        except ssl.SSLError as error:
            raise ConnectionResetError(errno.ECONNRESET, str(error.reason)) from None

    def shutdown(self, how: int) -> None:
        """Shut down as a plain socket; SHUT_WR says so in TLS first, if there is room to send it.

        The other two leave OpenSSL alone: they may come from a thread that is not its user.
        """
        if how == socket.SHUT_WR:
            self._end()
        socket.socket.shutdown(self, how)

    def close(self) -> None:
        """Say so in TLS, if that was not done, and close."""
        self._end()
        super().close()

    def _end(self) -> None:
        """Send close_notify. It waits for nobody: unwrap() then also looks for the client's."""
        if self._ended:
            return
        self._ended = True
        with contextlib.suppress(OSError, ValueError):  # ValueError: it never was connected
            self.unwrap()


def server_context(cert_file: str, key_file: str, password: Any) -> ssl.SSLContext:
    """Return what the connections of a server have in common; raises as load_cert_chain()."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = OLDEST
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # No tickets. The next connection is for another pod as likely as not, and that cannot read
    # them. Their key undoes forward secrecy: here it would be as old as the pod. (OpenSSL keeps
    # the last 20480 sessions of TLS 1.2 instead: 1 KB each, measured; of 1.3 none.)
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    context.sslsocket_class = TlsSocket
    context.load_cert_chain(cert_file, key_file, password)
    return context
