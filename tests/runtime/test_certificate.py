"""Which files can be served, and when others are taken up."""

import resource
import ssl
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from service.tls.certificate import Certificate, Unusable, elements
from tests.runtime.certificates import AUTHORITY, Files, issue

ONE, OTHER, RSA = issue(), issue(), issue(trustme.KeyType.RSA)
CHAIN = b"".join(pem.bytes() for pem in ONE.cert_chain_pems)
PRIVATE = ONE.private_key_pem.bytes()
NO_CERTIFICATE = "TLS_CERT_FILE: it must be a file with a certificate in PEM form"
NO_KEY = "TLS_KEY_FILE: it must be a file with a private key in PEM form"
MISMATCH = "TLS_KEY_FILE: it must be the key of the certificate in TLS_CERT_FILE"
UNREADABLE = "_FILE: it must be a file that can be read"


class Log:
    def __init__(self):
        self.lines = []

    def error(self, *line):
        self.lines.append(("error", *line))

    def info(self, *line):
        self.lines.append(("info", *line))


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path, ONE)


def load(directory, cert, key):
    for name, data in (("cert", cert), ("key", key)):
        if data is not None:
            (directory / name).write_bytes(data)
    return Certificate(str(directory / "cert"), str(directory / "key"))


@pytest.mark.parametrize("until", ["2049-12-31T23:59:59", "2050-01-01T00:00:00"])
@pytest.mark.parametrize("key_type", trustme.KeyType)
def test_expiry(tmp_path, until, key_type):
    """Of the first in the chain. Dates from 2050 on are written in another way."""
    end = datetime.fromisoformat(until).replace(tzinfo=UTC)
    leaf = AUTHORITY.create_child_ca().issue_cert("a", not_after=end, key_type=key_type)

    certificate = Certificate(*Files(tmp_path, leaf).settings.values())

    assert certificate.expires == end.timestamp()


def test_one_file_may_hold_both(tmp_path):
    both = ONE.private_key_and_cert_chain_pem.bytes()
    assert load(tmp_path, "Zertifikat für\n".encode() + both, both).context


@pytest.mark.parametrize(
    ("cert", "key", "problem"),
    [
        (None, PRIVATE, "TLS_CERT" + UNREADABLE),
        (CHAIN, None, "TLS_KEY" + UNREADABLE),
        (b"", PRIVATE, NO_CERTIFICATE),
        (b"garbage \xff", PRIVATE, NO_CERTIFICATE),
        (CHAIN[:200], PRIVATE, NO_CERTIFICATE),
        (CHAIN + CHAIN.replace(b"MII", b"AII"), PRIVATE, NO_CERTIFICATE),
        (PRIVATE, PRIVATE, NO_CERTIFICATE),
        (CHAIN, b"", NO_KEY),
        (CHAIN, b"garbage \xff", NO_KEY),
        (CHAIN, PRIVATE[:100], NO_KEY),
        (CHAIN, CHAIN, NO_KEY),
        (CHAIN, OTHER.private_key_pem.bytes(), MISMATCH),
        (CHAIN, RSA.private_key_pem.bytes(), MISMATCH),
    ],
    ids=range(13),  # the keys differ each time
)
def test_unusable_files(tmp_path, cert, key, problem):
    with pytest.raises(Unusable) as error:
        load(tmp_path, cert, key)

    assert str(error.value).startswith(problem)


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_encrypted_key_asks_nobody(tmp_path, form):
    key = load_pem_private_key(PRIVATE, None)
    encrypted = key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"geheim"))

    with pytest.raises(Unusable, match="TLS_KEY_FILE: its key must not be encrypted"):
        load(tmp_path, CHAIN, encrypted)


def test_weak_key(tmp_path):
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505
    name, now = x509.Name([]), datetime.now(UTC)
    weak = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    with pytest.raises(Unusable, match="TLS_CERT_FILE: it must be stronger"):
        load(tmp_path, weak.public_bytes(Encoding.PEM), pem)


def test_a_change_is_taken_up_when_it_is_over(files):
    """One that is seen for the first time may be the first of two files."""
    certificate, log = Certificate(*files.settings.values()), Log()
    first = certificate.context

    files.write(OTHER)
    certificate.look(log)
    assert (certificate.context, log.lines) == (first, [])
    certificate.look(log)
    assert certificate.context is not first
    assert [line[0] for line in log.lines] == ["info"]
    second = certificate.context
    certificate.look(log)
    assert certificate.context is second


def test_a_broken_pair_is_logged_once_and_mended(files):
    certificate, log = Certificate(*files.settings.values()), Log()
    first = certificate.context

    files.write(OTHER, key=ONE)
    for _ in range(5):
        certificate.look(log)
    assert certificate.context is first
    [(level, _, problem)] = log.lines
    assert (level, str(problem)) == ("error", MISMATCH)

    files.write(OTHER)
    for _ in range(2):
        certificate.look(log)
    assert certificate.context is not first
    assert len(log.lines) == 2


def test_an_expired_pair_changes_nothing(files):
    certificate, log = Certificate(*files.settings.values()), Log()
    first = certificate.context

    files.write(issue(not_after=datetime.now(UTC) - timedelta(days=1)))
    for _ in range(3):
        certificate.look(log)
    assert certificate.context is first
    [(level, _, problem)] = log.lines
    assert (level, str(problem)) == ("error", "TLS_CERT_FILE: it must not have expired")


def test_what_could_not_be_read_is_tried_again(files):
    certificate, log = Certificate(*files.settings.values()), Log()
    first = certificate.context

    files.write(OTHER)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    for _ in range(3):
        certificate.look(log)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert certificate.context is first
    certificate.look(log)
    assert certificate.context is not first
    assert [level for level, *_ in log.lines] == ["error", "info"]


def test_files_that_vanish_change_nothing(files):
    certificate, log = Certificate(*files.settings.values()), Log()
    first = certificate.context

    (files.directory / "..data").unlink()
    for _ in range(3):
        certificate.look(log)

    assert certificate.context is first
    assert [line[0] for line in log.lines] == ["error"]


def test_der():
    """As a program that is not ours understands it."""
    certificate = ssl.PEM_cert_to_DER_cert(AUTHORITY.cert_pem.bytes().decode())
    [(tag, content)] = elements(certificate)
    assert tag == 0x30
    assert [tag for tag, _ in elements(content)] == [0x30, 0x30, 0x03]
    assert certificate.endswith(content)
