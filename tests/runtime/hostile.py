"""Hostile requests, and what becomes of them.

Each row: what is sent, then the statuses that it gets from the app. A probe gets the same, unless a
third column says otherwise. `{}` is the path. Behind every request stands SMUGGLED. It gets its 404
where it is the next request by the rules, and nothing at all everywhere else.
"""

LIMIT = 100_000  # MAX_CONTENT_LENGTH
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked"


def request(*headers, line=b"GET {} HTTP/1.1", host=b"Host: a"):
    return b"\r\n".join([line, *filter(None, [host, *headers])]) + b"\r\n\r\n"


def chunked(body):
    return request(CHUNKED) + body


# HTTP allows it, and so does the service. The next request is no smuggled one, but pipelined.
BOTH = (200, 404)
# A probe has no use for a body. It is not read, so it may be anything: the connection is closed.
UNREAD = (200,)
REFUSED = (400,)

LENGTH = {
    "length and chunked": (request(b"Content-Length: 5", CHUNKED) + LAST_CHUNK, REFUSED),
    "chunked and length": (request(CHUNKED, b"Content-Length: 5") + LAST_CHUNK, REFUSED),
    "length twice": (request(b"Content-Length: 3", b"Content-Length: 3") + b"abc", REFUSED),
    "two lengths": (request(b"Content-Length: 0", b"Content-Length: 3") + b"abc", REFUSED),
    "list of lengths": (request(b"Content-Length: 3, 3") + b"abc", REFUSED),
    "length with plus": (request(b"Content-Length: +3") + b"abc", REFUSED),
    "length with minus": (request(b"Content-Length: -3") + b"abc", REFUSED),
    "length with space": (request(b"Content-Length: 1 2") + b"abc", REFUSED),
    "length with underscore": (request(b"Content-Length: 1_0") + b"abc", REFUSED),
    "length with point": (request(b"Content-Length: 3.0") + b"abc", REFUSED),
    "hexadecimal length": (request(b"Content-Length: 0x3") + b"abc", REFUSED),
    "no length": (request(b"Content-Length:") + b"abc", REFUSED),
    "length in superscript": (request(b"Content-Length: \xb3") + b"abc", REFUSED),
    "length behind a hard space": (request(b"Content-Length: \xa03") + b"abc", REFUSED),
    "length behind a vertical tab": (request(b"Content-Length: \x0b3") + b"abc", REFUSED),
    "length with space before colon": (request(b"Content-Length : 3") + b"abc", REFUSED),
    "length of 4000 digits": (request(b"Content-Length: " + b"9" * 4000), (413,), UNREAD),
    "length of 5000 digits": (request(b"Content-Length: " + b"9" * 5000), REFUSED),
    "length beyond the limit": (request(b"Content-Length: 100001"), (413,), UNREAD),
    "length with zeros": (request(b"Content-Length: 0003") + b"abc", BOTH),
}

# 501 is what RFC 9112 section 6.1 says of a coding that the server does not understand.
UNKNOWN = (501,)
CODING = {
    "chunked in odd case": (request(b"tRANSFER-eNCODING: cHUNKED") + LAST_CHUNK, BOTH, UNREAD),
    "chunked between tabs": (
        request(b"Transfer-Encoding:\tchunked\t") + LAST_CHUNK,
        BOTH,
        UNREAD,
    ),
    "chunked behind a vertical tab": (
        request(b"Transfer-Encoding: \x0bchunked") + LAST_CHUNK,
        REFUSED,
    ),
    "chunked with space before colon": (
        request(b"Transfer-Encoding : chunked") + LAST_CHUNK,
        REFUSED,
    ),
    # Not this header. It is dropped, and what follows is the next request, one that is none.
    "chunked with underscore": (request(b"Transfer_Encoding: chunked") + LAST_CHUNK, (200, 400)),
    "chunked twice": (request(CHUNKED, CHUNKED) + LAST_CHUNK, REFUSED),
    "chunked, chunked": (request(CHUNKED + b", chunked") + LAST_CHUNK, REFUSED),
    "chunked, identity": (request(CHUNKED + b", identity") + LAST_CHUNK, REFUSED),
    "chunked, gzip": (request(CHUNKED + b", gzip") + LAST_CHUNK, REFUSED),
    "chunked and nothing": (request(CHUNKED + b",") + LAST_CHUNK, UNKNOWN),
    "chunked with parameter": (request(CHUNKED + b";q=1") + LAST_CHUNK, UNKNOWN),
    "quoted chunked": (request(b'Transfer-Encoding: "chunked"') + LAST_CHUNK, UNKNOWN),
    "xchunked": (request(b"Transfer-Encoding: xchunked") + LAST_CHUNK, UNKNOWN),
    "unknown coding": (request(b"Transfer-Encoding: cow, chunked") + LAST_CHUNK, UNKNOWN),
    "identity, chunked": (
        request(b"Transfer-Encoding: identity, chunked") + LAST_CHUNK,
        UNKNOWN,
    ),
    "gzip, chunked": (request(b"Transfer-Encoding: gzip, chunked") + LAST_CHUNK, UNKNOWN),
    "no coding": (request(b"Transfer-Encoding:") + LAST_CHUNK, UNKNOWN),
    "identity": (request(b"Transfer-Encoding: identity"), REFUSED),
    "gzip": (request(b"Transfer-Encoding: gzip"), REFUSED),
    "chunked in HTTP/1.0": (request(CHUNKED, line=b"GET {} HTTP/1.0") + LAST_CHUNK, REFUSED),
}

CHUNKS = {
    "negative chunk": (chunked(b"-1\r\n\r\n"), REFUSED, UNREAD),
    "chunk with plus": (chunked(b"+1\r\na\r\n" + LAST_CHUNK), REFUSED, UNREAD),
    "chunk with 0x": (chunked(b"0x1\r\na\r\n" + LAST_CHUNK), REFUSED, UNREAD),
    "chunk with underscore": (chunked(b"1_0\r\na\r\n" + LAST_CHUNK), REFUSED, UNREAD),
    "chunk with space before": (chunked(b" 1\r\na\r\n" + LAST_CHUNK), REFUSED, UNREAD),
    "chunk with space behind": (chunked(b"1 \r\na\r\n" + LAST_CHUNK), REFUSED, UNREAD),
    "chunk without size": (chunked(b"\r\na\r\n" + LAST_CHUNK), REFUSED, UNREAD),
    "chunk that is longer": (chunked(b"1\r\nab\r\n" + LAST_CHUNK), REFUSED, UNREAD),
    "chunk with bare LF": (chunked(b"1\na\n0\n\n"), REFUSED, UNREAD),
    "chunk with many zeros": (
        chunked(b"0" * 5000 + b"1\r\na\r\n" + LAST_CHUNK),
        BOTH,
        UNREAD,
    ),
    "extension": (chunked(b"1;a=b\r\na\r\n" + LAST_CHUNK), BOTH, UNREAD),
    "extension with NUL": (chunked(b"1;\0\r\na\r\n" + LAST_CHUNK), REFUSED, UNREAD),
    "extension with bare CR": (chunked(b"1;a\rb\r\na\r\n" + LAST_CHUNK), REFUSED, UNREAD),
    "extension with bare LF": (chunked(b"1;a\nb\r\na\r\n" + LAST_CHUNK), REFUSED, UNREAD),
    "extension without end": (chunked(b"1;" + b"a" * 70_000), REFUSED, UNREAD),
    "trailer": (chunked(b"0\r\nX: y\r\n\r\n"), BOTH, UNREAD),
    "trailer with length": (chunked(b"0\r\nContent-Length: 5\r\n\r\n"), REFUSED, UNREAD),
    "trailer with coding": (chunked(b"0\r\n" + CHUNKED + b"\r\n\r\n"), REFUSED, UNREAD),
    "trailer with host": (chunked(b"0\r\nHost: b\r\n\r\n"), REFUSED, UNREAD),
    "trailer without colon": (chunked(b"0\r\nX y\r\n\r\n"), REFUSED, UNREAD),
    "trailer folded": (chunked(b"0\r\nX: y\r\n z\r\n\r\n"), REFUSED, UNREAD),
    "trailer with bare LF": (chunked(b"0\r\nX: y\n\r\n\r\n"), REFUSED, UNREAD),
    "thousands of trailers": (chunked(b"0\r\n" + b"X: y\r\n" * 5000 + b"\r\n"), REFUSED, UNREAD),
    "chunks beyond the limit": (  # what is left of it is little enough to go on behind it
        chunked(b"186a1\r\n" + b"x" * 0x186A1 + b"\r\n" + LAST_CHUNK),
        (413, 404),
        UNREAD,
    ),
    "chunks far beyond the limit": (
        chunked(b"38000\r\n" + b"x" * 0x38000 + b"\r\n" + LAST_CHUNK),
        (413,),
        UNREAD,
    ),
}

LINES = {
    "folded": (request(b"X: a", b" b"), REFUSED),
    "folded coding": (request(b"Transfer-Encoding:", b" chunked") + LAST_CHUNK, REFUSED),
    "folded first": (request(host=b" Host: a"), REFUSED),
    "bare LF": (b"GET {} HTTP/1.1\nHost: a\n\n", REFUSED),
    "bare LF in the head": (request(b"X: y\nZ: z"), REFUSED),
    "bare LF at the end": (b"GET {} HTTP/1.1\r\nHost: a\r\n\n", REFUSED),
    "bare CR": (request(b"X: y\rZ: z"), REFUSED),
    "bare CR before a coding": (request(b"X: y\r" + CHUNKED) + LAST_CHUNK, REFUSED),
    "bare CR in the line": (b"GET {} HTTP/1.1\rHost: a\r\n\r\n", REFUSED),
    "bare CR at the end": (b"GET {} HTTP/1.1\r\nHost: a\r\r\n\r\n", REFUSED),
    # RFC 9112 section 2.2: empty lines should be ignored.
    "empty line first": (b"\r\n" + request(), BOTH),
    "two empty lines first": (b"\r\n\r\n" + request(), BOTH),
    "empty line of one LF": (b"\n" + request(), REFUSED),
    "empty line of one CR": (b"\r" + request(), REFUSED),
    "space first": (b" " + request(), REFUSED),
    "NUL first": (b"\0" + request(), REFUSED),
    "NUL in the line": (request(line=b"GET {}\0 HTTP/1.1"), REFUSED),
    "NUL in a name": (request(b"X\0: y"), REFUSED),
    "NUL in a value": (request(b"X: \0"), REFUSED),
    "control in a value": (request(b"X: \x01"), REFUSED),
    "escape in a value": (request(b"X: \x1b[2J"), REFUSED),
    "delete in a value": (request(b"X: \x7f"), REFUSED),
    "control in the method": (request(line=b"G\x01ET {} HTTP/1.1"), REFUSED),
    "tabs in the line": (request(line=b"GET\t{}\tHTTP/1.1"), REFUSED),
    "two spaces in the line": (request(line=b"GET  {} HTTP/1.1"), REFUSED),
    "space behind the line": (request(line=b"GET {} HTTP/1.1 "), REFUSED),
    "method in lower case": (request(line=b"get {} HTTP/1.1"), REFUSED),
    "method of 30 letters": (request(line=b"G" * 30 + b" {} HTTP/1.1"), REFUSED),
    "method with a bracket": (request(line=b"GE(T {} HTTP/1.1"), REFUSED),
    "name without end": (request(b"X"), REFUSED),
    "no name": (request(b": y"), REFUSED),
    "name with space": (request(b"X Y: z"), REFUSED),
    "name in UTF-8": (request("é: x".encode()), REFUSED),
    "name with underscore": (request(b"X_Y: z"), BOTH),  # RFC 9110 allows it; it is dropped
    "value in UTF-8": (request("X: é".encode()), BOTH),  # obs-text: RFC 9110 section 5.5
    "value that is no UTF-8": (request(b"X: \xff\xfe"), BOTH),
    "user agent that is no UTF-8": (request(b'User-Agent: \xff"\\'), BOTH),
    "length of two types": (request(b"Content-Type: a", b"Content-Type: b"), REFUSED),
    "expect magic": (request(b"Expect: magic"), (417,)),
    "upgrade to HTTP/2": (  # which is offered to none: RFC 9110 section 7.8 lets it be ignored
        request(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAM"),
        BOTH,
    ),
}

TOO_MUCH = (431,)
SIZES = {
    "header at the limit": (request(b"X: " + b"x" * 8185), BOTH),
    "header beyond the limit": (request(b"X: " + b"x" * 8186), TOO_MUCH),
    "header of 200 kB": (request(b"X: " + b"x" * 200_000), TOO_MUCH),
    "header of 900 kB without end": (b"GET {} HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 900_000, (431,)),
    "100 headers": (request(*[b"X: y"] * 99), BOTH),
    "101 headers": (request(*[b"X: y"] * 100), TOO_MUCH),
    "thousands of headers": (request(*[b"X-%d: y" % n for n in range(5_000)]), TOO_MUCH),
    "20000 headers": (request(*[b"X-%d: y" % n for n in range(20_000)]), TOO_MUCH),
    "line at the limit": (request(line=b"GET {}?" + b"a" * (4094 - 24) + b" HTTP/1.1"), BOTH),
    "path of 5 kB": (request(line=b"GET /" + b"a" * 5_000 + b" HTTP/1.1"), (414,)),
    "path of 500 kB": (request(line=b"GET /" + b"a" * 500_000 + b" HTTP/1.1"), (414,)),
    "2000 parameters": (request(line=b"GET {}?" + b"a&" * 2_000 + b" HTTP/1.1"), BOTH),
    "100 requests": (request() * 100, (200,) * 100 + (404,)),
}

NO_SUCH_PATH = (404, 404)  # both the path and SMUGGLED, over a connection that is kept
TARGETS = {
    # RFC 9112 section 3.2.2: a server must accept the absolute form, whatever its host.
    "absolute form": (request(line=b"GET http://evil.example{} HTTP/1.1"), BOTH),
    "absolute form, other scheme": (request(line=b"GET ftp://evil.example{} HTTP/1.1"), BOTH),
    "absolute form without path": (
        request(line=b"GET http://evil.example HTTP/1.1"),
        (200, 404),
        NO_SUCH_PATH,
    ),
    "absolute form without host": (request(line=b"GET http://[::1{} HTTP/1.1"), REFUSED),
    "absolute form without scheme": (request(line=b"GET ://a{} HTTP/1.1"), NO_SUCH_PATH),
    "authority form": (request(line=b"GET a:80 HTTP/1.1"), REFUSED),
    # RFC 9110 section 9.3.6: with any 2xx it would be a tunnel from there on.
    "tunnel": (request(line=b"CONNECT a:80 HTTP/1.1"), REFUSED),
    "tunnel to a path": (request(line=b"CONNECT {} HTTP/1.1"), REFUSED),
    "asterisk": (request(line=b"GET * HTTP/1.1"), REFUSED),
    "asterisk with OPTIONS": (request(line=b"OPTIONS * HTTP/1.1"), NO_SUCH_PATH, (405,)),
    "relative path": (request(line=b"GET api HTTP/1.1"), REFUSED),
    "query alone": (request(line=b"GET ?a HTTP/1.1"), REFUSED),
    "fragment": (request(line=b"GET {}#/../admin HTTP/1.1"), REFUSED),
    "dots": (request(line=b"GET /../../etc/passwd HTTP/1.1"), NO_SUCH_PATH),
    "encoded dots": (request(line=b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1"), NO_SUCH_PATH),
    "two slashes": (request(line=b"GET //evil.example{} HTTP/1.1"), NO_SUCH_PATH),
    "two slashes and a bracket": (request(line=b"GET //[ HTTP/1.1"), NO_SUCH_PATH),
    "path in UTF-8": (request(line="GET /é HTTP/1.1".encode()), REFUSED),
    "path that is no UTF-8": (request(line=b"GET /\xff HTTP/1.1"), REFUSED),
    "encoding that is none": (request(line=b"GET /%zz HTTP/1.1"), NO_SUCH_PATH),
    "encoding cut off": (request(line=b"GET /% HTTP/1.1"), NO_SUCH_PATH),
    "encoded bytes that are no UTF-8": (request(line=b"GET /%ff%fe HTTP/1.1"), NO_SUCH_PATH),
    "encoded surrogate": (request(line=b"GET /%ed%a0%80 HTTP/1.1"), NO_SUCH_PATH),
    "encoded NUL": (request(line=b"GET /%00 HTTP/1.1"), NO_SUCH_PATH),
    "encoded line end": (request(line=b"GET /%0d%0aX:%20y HTTP/1.1"), NO_SUCH_PATH),
    "query that is no UTF-8": (request(line=b"GET {}?%ff=%zz&%00 HTTP/1.1"), BOTH),
    "no host": (request(host=None), REFUSED),
    "no host in HTTP/1.0": (request(line=b"GET {} HTTP/1.0", host=None), UNREAD),
    "two hosts": (request(b"Host: a"), REFUSED),
    "empty host": (request(host=b"Host:"), BOTH),  # RFC 9112 section 3.2 allows it
    "host with space": (request(host=b"Host: a b"), REFUSED),
    "host with path": (request(host=b"Host: a/b"), REFUSED),
    "host with user": (request(host=b"Host: u@a"), REFUSED),
    "host in UTF-8": (request(host="Host: é".encode()), REFUSED),
    "host with a word as port": (request(host=b"Host: a:b"), REFUSED),
    "IPv6 host": (request(host=b"Host: [::1]:8000"), BOTH),
}

PROTOCOLS = {
    "HTTP/0.9 with empty line": (b"GET {}\r\n\r\n", REFUSED),
    "HTTP/0.9 by name": (request(line=b"GET {} HTTP/0.9"), REFUSED),
    "HTTP/1.9": (request(line=b"GET {} HTTP/1.9"), BOTH),  # as 1.1: RFC 9110 section 6.2
    "HTTP/1.10": (request(line=b"GET {} HTTP/1.10"), REFUSED),
    "HTTP/1.": (request(line=b"GET {} HTTP/1."), REFUSED),
    "HTTP/2.0": (request(line=b"GET {} HTTP/2.0"), REFUSED),
    "HTTP/3.7": (request(line=b"GET {} HTTP/3.7"), REFUSED),
    "http/1.1": (request(line=b"GET {} http/1.1"), REFUSED),
    "no version": (request(line=b"GET {} "), REFUSED),
    "another protocol": (request(line=b"GET {} ICY/1.1"), REFUSED),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", REFUSED),
    "TLS hello with LF": (b"\x16\3\1\0\xc8\1\0\0\xc4\3\3" + bytes(range(200)), REFUSED),
    "PROXY v1": (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + request(), REFUSED),
    "PROXY v2": (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12) + request(), REFUSED),
}

ROWS = LENGTH | CODING | CHUNKS | LINES | SIZES | TARGETS | PROTOCOLS

# More may follow, as far as anybody can tell: 408 when READ_TIMEOUT is over, or a closed connection
# if the client ends it before.
UNFINISHED = {
    "HTTP/0.9": b"GET {}\r\n",
    "TLS hello": b"\x16\3\1\2\0\1\0\1\xfc\3\3" + b"\xff" * 32,
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "nothing but NUL": b"\0" * 1000,
    "a chunk of 2^80 bytes": chunked(b"ffffffffffffffffffff\r\na"),
    "a chunk of 4000 digits": chunked(b"f" * 4000 + b"\r\na"),
}
