"""The client behind the proxies that TRUSTED_PROXIES names. No other peer is believed.

X-Forwarded-For, -Proto and -Host count; the others do not. X-Forwarded-Port says what the host says
too, X-Forwarded-Prefix would move every link, and Forwarded (RFC 7239) is what most proxies pass on
as the client wrote it.

Werkzeug's ProxyFix does not fit: it counts proxies, whoever they are, and a quote in what a client
wrote hides from it the address that the proxy adds.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any

from flask import Flask
from werkzeug.sansio.utils import host_is_trusted

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication

LONGEST_CHAIN = 10  # proxies; a client inside the cluster may write thousands of addresses
# With a port, as some write it (RFC 7239 section 6). Without a zone: that may hold anything.
NODE = re.compile(
    r"([0-9.]+)(?::[0-9]{1,5})?|\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?|([0-9A-Fa-f:.]+)"
)


def init_app(app: Flask) -> None:
    """Believe the proxies; without any, the peer is the client, whatever it says."""
    if cidrs := app.extensions["config"].trusted_proxies:
        app.wsgi_app = BehindProxies(app.wsgi_app, cidrs)  # type: ignore[assignment]


class BehindProxies:
    """WSGI middleware that puts the client in the environ, for handlers, logs and spans."""

    def __init__(self, app: "WSGIApplication", cidrs: str) -> None:
        self.app = app
        self.networks = [ip_network(cidr) for cidr in cidrs.split(",")]

    def __call__(self, environ: dict[str, Any], respond: "StartResponse") -> Iterable[bytes]:
        """Serve a request."""
        peer = parse(environ.get("REMOTE_ADDR", ""))
        if peer and self.trusts(peer):
            self.believe(environ, peer)
        return self.app(environ, respond)

    def trusts(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether an address is that of a proxy."""
        return any(address in network for network in self.networks)

    def believe(self, environ: dict[str, Any], peer: IPv4Address | IPv6Address) -> None:
        """Take over what the proxy says; what is malformed counts as not said.

        Of several schemes or hosts the last: a client can put its own in front, never behind.
        """
        client = self.client(environ.get("HTTP_X_FORWARDED_FOR", ""), peer)
        if client != peer:
            environ["REMOTE_ADDR"] = str(client)
            environ.pop("REMOTE_PORT", None)
        scheme = last(environ.get("HTTP_X_FORWARDED_PROTO", "")).lower()
        if scheme in ("http", "https"):
            environ["wsgi.url_scheme"] = scheme
        host = last(environ.get("HTTP_X_FORWARDED_HOST", ""))
        if host_is_trusted(host):
            environ["HTTP_HOST"] = host

    def client(
        self, forwarded_for: str, peer: IPv4Address | IPv6Address
    ) -> IPv4Address | IPv6Address:
        """Go back from proxy to proxy. Each has added the address that it got the request from.

        End at the first address that is no proxy of ours: the client may have made up the others.
        """
        for node in reversed(forwarded_for.rsplit(",", LONGEST_CHAIN)[-LONGEST_CHAIN:]):
            found = parse(node)
            if found is None:
                break
            peer = found
            if not self.trusts(peer):
                break
        return peer


def parse(node: str) -> IPv4Address | IPv6Address | None:
    """Return an address without its port, or None. An IPv4 address inside IPv6 becomes IPv4."""
    match = NODE.fullmatch(node.strip(" \t"))
    try:
        address = ip_address(match[match.lastindex or 0]) if match else None
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def last(values: str) -> str:
    """Return the last of a list with commas."""
    return values.rpartition(",")[2].strip(" \t")
