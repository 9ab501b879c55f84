"""Clients that leave a TLS connection unfinished; each takes a connected socket."""

from tests.runtime.certificates import ByHand

CLIENT_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(100)  # says 200 bytes, has 106
GET = b"GET /do HTTP/1.1\r\nHost: a\r\n\r\n"


def silence(sock):
    pass


def one_byte(sock):
    sock.sendall(CLIENT_HELLO[:1])


def half_a_record(sock):
    """Of a request, on a connection that has agreed on TLS."""
    client = ByHand()
    sock.sendall(client.hello())
    sock.sendall(client.request(sock, GET)[:-5])


def half_a_hello(sock):
    sock.sendall(CLIENT_HELLO)
