"""Certificates, and clients that trust them."""

import contextlib
import ssl
from pathlib import Path

import trustme

from tests.runtime.raw import connect

AUTHORITY = trustme.CA()


def issue(key_type=trustme.KeyType.ECDSA, **options) -> trustme.LeafCert:
    return AUTHORITY.issue_cert("127.0.0.1", key_type=key_type, **options)


class Files:
    """A certificate and its key as a kubelet mounts a Secret: both change in one moment."""

    def __init__(self, directory: Path, leaf: trustme.LeafCert):
        self.directory = directory
        self.write(leaf)

    @property
    def settings(self) -> dict[str, str]:
        folder = self.directory / "..data"
        return {"TLS_CERT_FILE": f"{folder}/tls.crt", "TLS_KEY_FILE": f"{folder}/tls.key"}

    def write(self, leaf: trustme.LeafCert, key: trustme.LeafCert | None = None) -> None:
        """Put another certificate there, with the key of yet another one if it is given."""
        number = len(list(self.directory.iterdir()))
        folder = self.directory / f"..{number}"
        folder.mkdir()
        chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
        (folder / "tls.crt").write_bytes(chain)
        (folder / "tls.key").write_bytes((key or leaf).private_key_pem.bytes())
        link = self.directory / "..data_tmp"
        link.symlink_to(folder.name)
        link.rename(self.directory / "..data")


def trusting() -> ssl.SSLContext:
    """Return a client's context; it insists on close_notify, unlike most."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    AUTHORITY.configure_trust(context)
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return context


def secure(port: int, context: ssl.SSLContext | None = None, timeout: float = 10) -> ssl.SSLSocket:
    """Connect and shake hands."""
    return (context or trusting()).wrap_socket(
        connect(port, timeout), server_hostname="127.0.0.1", suppress_ragged_eofs=False
    )


class ByHand:
    """TLS over a plain socket, for clients that send part of a record."""

    def __init__(self):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = trusting().wrap_bio(self.incoming, self.outgoing, server_hostname="127.0.0.1")

    def hello(self) -> bytes:
        """Return how a client begins."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()

    def request(self, sock, request: bytes) -> bytes:
        """Finish the handshake that began with hello(); return a request as it is to be sent."""
        while True:
            try:
                self.tls.do_handshake()
                self.tls.write(request)
                return self.outgoing.read()
            except ssl.SSLWantReadError:
                self.receive(sock)

    def response(self, sock) -> bytes:
        """Return what the server says in TLS, to its end."""
        data = b""
        while True:
            try:
                if not (piece := self.tls.read(65536)):
                    return data
                data += piece
            except ssl.SSLWantReadError:
                self.receive(sock)
            except ssl.SSLZeroReturnError:  # both sides have said that they close
                return data

    def receive(self, sock) -> None:
        """Wait for more of what the server says."""
        data = sock.recv(65536)
        assert data, "the connection has ended and TLS has not"
        self.incoming.write(data)

    def goodbye(self) -> bytes:
        """Return how a client says that it sends no more."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        return self.outgoing.read()


def der(leaf: trustme.LeafCert) -> bytes:
    """Return what getpeercert(binary_form=True) gives."""
    return ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())
