"""Clients that leave a request unfinished, or do not read; each takes a connected socket."""


def half_a_request_line(sock):
    sock.sendall(b"GET /do")


def half_the_headers(sock):
    sock.sendall(b"GET /do HTTP/1.1\r\nHost: a\r\nX-")


def half_a_small_body(sock):
    sock.sendall(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n" + b"x" * 50)


def half_a_large_body(sock):
    sock.sendall(
        b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 99999
    )


def half_a_chunked_body(sock):
    sock.sendall(b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nxx")


def a_body_that_was_announced(sock):
    sock.sendall(b"POST /body HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n")
    sock.sendall(b"Content-Length: 1000\r\n\r\n")


def no_reading(sock):
    sock.sendall(b"GET /large/400 HTTP/1.1\r\nHost: a\r\n\r\n")


def no_closing(sock):
    sock.sendall(b"GET /do HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")


def nothing(sock):
    pass
