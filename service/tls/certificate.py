"""The certificate that TLS serves: two files, and what becomes of it when they change."""

import os
import re
import socket
import ssl
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from service.tls.socket import TlsSocket, server_context

CERT, KEY = "TLS_CERT_FILE", "TLS_KEY_FILE"
PEM_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----[^-]*+-----END CERTIFICATE-----")
# What OpenSSL says of a key that is not the certificate's: of the same kind, or of another.
MISMATCH = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")
WEAK = ("TOO_SMALL", "TOO_WEAK")  # how that ends what it says of a certificate's key or signature
GENERALIZED_TIME = 0x18  # tag in DER; the other kind of time there has a year of two digits
VERSION = 0xA0  # tag in DER of the only optional field before the validity


class Unusable(Exception):
    """Names the setting whose file is at fault, and says why."""

    def __init__(self, setting: str, reason: str) -> None:
        super().__init__(f"{setting}: {reason}")
        self.setting = setting
        self.reason = reason


class Encrypted(Exception):
    """Raised when OpenSSL wants to ask for a password."""


class Certificate:
    """Serves new connections with what the files hold now, if that is of any use.

    Make it in the master: a bad pair stops the start there, with Unusable. A worker that replaces
    another begins with this one, even while the files are broken.
    """

    def __init__(self, cert_file: str, key_file: str) -> None:
        self.files = (cert_file, key_file)
        self._seen = self._served = self._signature()
        self._refused: Any = None  # the last files that were unusable, and why
        # For connections from now on; the others keep what they began with.
        self.context, self.expires = load(*self.files)

    def wrap(self, raw: socket.socket) -> TlsSocket:
        """Return a connection that has yet to shake hands; the socket it was is of no use then."""
        wrapped = self.context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
        return cast(TlsSocket, wrapped)

    def look(self, log: Any) -> None:
        """Take up files that have changed, when two looks have seen the same.

        A program that writes one file after the other is done by then. A kubelet changes both at
        once.
        """
        before, self._seen = self._seen, self._signature()
        if self._seen == before:
            self.renew(log)

    def renew(self, log: Any) -> None:
        """Take up files that have changed; unusable ones are logged once and change nothing.

        They are tried again, for what is wrong may be that no more files can be opened now.
        """
        now = self._signature()
        if now == self._served:
            return
        try:
            context, expires = load(*self.files)
            if expires <= time.time():  # at a start there is nothing better to serve
                raise Unusable(CERT, "it must not have expired")
        except Unusable as error:
            refused = (now, str(error))
            if refused != self._refused:
                log.error("the certificate stays as it was, the new files are unusable: %s", error)
            self._refused = refused
        else:
            self.context, self.expires, self._served = context, expires, now
            until = datetime.fromtimestamp(expires, UTC).isoformat()
            log.info("serving a new certificate, valid until %s", until)

    def _signature(self) -> list[tuple[int, int, int] | None]:
        return [identity(file) for file in self.files]


def identity(file: str) -> tuple[int, int, int] | None:
    """Return what is another with each change of a file; it may be reached through links."""
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_ctime_ns, status.st_ino, status.st_size  # ctime: rights count too


def load(cert_file: str, key_file: str) -> tuple[ssl.SSLContext, float]:
    """Return a context for a pair of files, and when it expires; raises Unusable."""
    chain = PEM_CERTIFICATE.findall(read(CERT, cert_file))
    read(KEY, key_file)
    try:
        ders = [ssl.PEM_cert_to_DER_cert(pem) for pem in chain]
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=b"".join(ders))
        expires = expiry(ders[0])
    except (ssl.SSLError, ValueError):
        raise Unusable(CERT, "it must be a file with a certificate in PEM form") from None
    try:
        return server_context(cert_file, key_file, refuse_to_ask), expires
    except Encrypted:
        raise Unusable(
            KEY, "its key must not be encrypted: there is nobody to ask for a password"
        ) from None
    except ssl.SSLError as error:
        if error.reason in MISMATCH:
            raise Unusable(KEY, f"it must be the key of the certificate in {CERT}") from None
        if str(error.reason).endswith(WEAK):
            raise Unusable(CERT, f"it must be stronger ({error.reason})") from None
        raise Unusable(KEY, "it must be a file with a private key in PEM form") from None
    except OSError as error:  # gone since it was read, in the middle of a change
        raise Unusable(CERT, f"it must be a file that can be read ({error.strerror})") from None


def read(setting: str, file: str) -> str:
    """Return the text of a file; raises Unusable."""
    try:
        return Path(file).read_text("latin-1")
    except OSError as error:
        raise Unusable(setting, f"it must be a file that can be read ({error.strerror})") from None


def refuse_to_ask() -> str:
    """Have OpenSSL fail. Otherwise it asks for a password on the terminal, and waits."""
    raise Encrypted


def expiry(der: bytes) -> float:
    """Return when a certificate expires, in seconds since 1970."""
    [(_, certificate)] = elements(der)
    # RFC 5280 section 4.1: version, serial number, signature, issuer, validity, ...
    fields = elements(elements(certificate)[0][1])
    _, (tag, until) = elements(fields[4 if fields[0][0] == VERSION else 3][1])
    form = "%Y%m%d%H%M%SZ" if tag == GENERALIZED_TIME else "%y%m%d%H%M%SZ"
    return datetime.strptime(until.decode(), form).replace(tzinfo=UTC).timestamp()


def elements(der: bytes) -> list[tuple[int, bytes]]:
    """Split DER into its elements: tag and content (X.690 section 8.1)."""
    found = []
    at = 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length > 127:  # so many bytes follow that hold it
            end = at + length - 128
            length, at = int.from_bytes(der[at:end], "big"), end
        found.append((tag, der[at : at + length]))
        at += length
    return found
