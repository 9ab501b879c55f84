"""Listening sockets, for IPv6 and IPv4 where there is IPv6, and for IPv4 where there is none."""

import socket
from typing import Any

from gunicorn.sock import TCP6Socket, TCPSocket

ANY_IPV6, ANY_IPV4 = "::", "0.0.0.0"  # noqa: S104


def listen(port: int, backlog: int) -> socket.socket:
    """Return a socket that listens at all addresses; raises OSError.

    It says that it takes IPv4 too: the kernel's default for that is a setting of the machine's
    (net.ipv6.bindv6only).
    """
    if socket.has_dualstack_ipv6():
        return socket.create_server(
            (ANY_IPV6, port), family=socket.AF_INET6, backlog=backlog, dualstack_ipv6=True
        )
    return socket.create_server((ANY_IPV4, port), backlog=backlog)


def location(listener: socket.socket, scheme: str) -> str:
    """Return where a socket listens, as a URL."""
    host, port = listener.getsockname()[:2]
    return f"{scheme}://{bracketed(host)}:{port}"


def bracketed(host: str) -> str:
    """Return an address as it stands in a URL (RFC 3986 section 3.2.2)."""
    return f"[{host}]" if ":" in host else host


def for_gunicorn(listener: socket.socket, config: Any, log: Any) -> TCPSocket:
    """Return a socket in the form that gunicorn's master keeps its listeners in."""
    kind = Listener6 if listener.family == socket.AF_INET6 else TCPSocket
    return kind(listener.getsockname(), config, log, fd=listener.detach())


class Listener6(TCP6Socket):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's own calls itself http, also where it speaks TLS."""

    def __str__(self) -> str:
        """Return where it listens."""
        return location(self.sock, "https" if self.conf.is_ssl else "http")
