"""gunicorn's parser, stricter where HTTP is and gunicorn is not."""

import re

from gunicorn.http.errors import (
    InvalidHeader,
    InvalidRequestLine,
    InvalidRequestMethod,
    LimitRequestHeaders,
    UnsupportedTransferCoding,
)
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser

# RFC 9110 section 7.2: uri-host [ ":" port ], of RFC 3986 section 3.2.2 and 3.2.3.
HOST = re.compile(r"([A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]*)?")


class PodRequest(Request):  # type: ignore[misc]  # gunicorn has no types
    """A request; raises gunicorn's ParseException for one that is malformed."""

    method: str
    uri: str
    path: str
    version: tuple[int, int]
    _closes: bool | None = None

    def _peer_is_trusted_proxy(self) -> bool:
        """Trust nobody: see forwarded_allow_ips in gunicorn_conf.

        gunicorn would parse the peer's address to say so, 3 % of a small request's instructions.
        """
        return False

    def parse_request_line(self, line_bytes: bytes) -> None:
        """Refuse a tunnel and a fragment, and answer as HTTP/1.1 whatever 1.x is spoken."""
        super().parse_request_line(line_bytes)
        # RFC 9110 section 9.3.6: behind any 2xx the connection would be a tunnel.
        if self.method == "CONNECT":
            raise InvalidRequestMethod(self.method)
        # RFC 9112 section 3.2: no form of a target has one; who forwards may read it otherwise.
        if "#" in self.uri:
            raise InvalidRequestLine(self.uri)
        self.path = self.path or "/"  # http://host is http://host/: RFC 9110 section 4.2.3
        self.version = min(self.version, (1, 1))  # RFC 9110 section 6.2

    def parse_headers(self, data: bytes, from_trailer: bool = False) -> list[tuple[str, str]]:
        """Refuse too many before each is split and decoded: the event loop waits meanwhile."""
        if data.count(b"\r\n") >= self.limit_request_fields:
            raise LimitRequestHeaders("limit request headers fields")
        headers: list[tuple[str, str]] = super().parse_headers(data, from_trailer)
        return headers

    def set_body_reader(self) -> None:
        """Refuse what RFC 9112 refuses: no host or no valid one, and codings nobody decodes."""
        hosts = [value for name, value in self.headers if name == "HOST"]
        if self.version == (1, 1) and not hosts:  # section 3.2
            raise InvalidHeader("HOST", req=self)
        if hosts and not HOST.fullmatch(hosts[0]):
            raise InvalidHeader("HOST", req=self)
        super().set_body_reader()
        for name, value in self.headers:  # section 6.1: the app would get the body as it is coded
            if name == "TRANSFER-ENCODING" and value.lower() != "chunked":
                raise UnsupportedTransferCoding(value)

    def should_close(self) -> bool:
        """Say what the head of the response said, even if a drain began since.

        Decided once, when that head is sent. Behind a malformed body no other request can be found.
        """
        if self._closes is None:
            broken = self.body.failed
            self._closes = broken or self.unreader.sock.closing() or super().should_close()
        return self._closes


class PodParser(RequestParser):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's parser with our request class."""

    mesg_class = PodRequest
