"""PEP 3333: what an app is told of a request, and how its response gets on the wire."""

import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol
from wsgiref.util import FileWrapper

from gunicorn import SERVER_SOFTWARE

from service.http1.head import Request
from service.http1.response import checked, head, status_code

log = logging.getLogger(__name__)

JOINED = 65536  # bytes that are copied to go out in one packet; what is larger is sent as it is
MISTAKE = "%s %s: the app declared %d bytes and sent %s"


class ErrorLog:
    """wsgi.errors: what is written is logged."""

    def write(self, text: str) -> None:
        """Log it."""
        if text.strip():
            log.error("%s", text.rstrip("\n"))

    def writelines(self, lines: Iterable[str]) -> None:
        """Log them."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Do nothing: all is logged."""


ERRORS = ErrorLog()


def connection_environ(
    client: tuple[Any, ...], server: tuple[Any, ...], scheme: str
) -> dict[str, Any]:
    """Return what the environs of all requests of a connection have in common."""
    return {
        "wsgi.version": (1, 0),
        "wsgi.errors": ERRORS,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        "wsgi.input_terminated": True,
        "wsgi.url_scheme": scheme,
        "SERVER_SOFTWARE": SERVER_SOFTWARE,
        # In brackets where it is IPv6 (RFC 3875 section 4.1.14): it is the host of a URL.
        "SERVER_NAME": f"[{server[0]}]" if ":" in server[0] else server[0],
        "SERVER_PORT": str(server[1]),
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "SCRIPT_NAME": "",
    }


def request_environ(common: dict[str, Any], request: Request) -> dict[str, Any]:
    """Return the environ of a request, but for the body."""
    environ = common | request.fields
    environ["REQUEST_METHOD"] = request.method
    environ["RAW_URI"] = request.target
    environ["hellopod.head"] = request.head  # as it was sent: names, order and repetitions too
    environ["PATH_INFO"] = request.path
    environ["QUERY_STRING"] = request.query
    environ["SERVER_PROTOCOL"] = "HTTP/1.1" if request.minor else "HTTP/1.0"
    return environ


class Client(Protocol):
    """Whom a response is sent to."""

    sending: bool  # whether a part of it is out

    def before_answer(self, code: int) -> bool:
        """Return whether another request may follow; raises what is wrong with the body."""

    def send(self, data: bytes) -> None:
        """Send all of it, or raise."""


class Response:
    """What an app says to one request, checked and sent as it comes.

    `release` is called before the client has the whole of it, and may come back; `done` when it
    has, if the app cannot change that any more, with whether another request may follow.
    """

    def __init__(
        self,
        request: Request,
        client: Client,
        release: Callable[[], None],
        done: Callable[[bool], None],
    ) -> None:
        self.request = request
        self.client = client
        self.release = release
        self.done = done
        self.status = ""
        self.code = 0
        self.length: int | None = None  # as the app declares it
        self.sent = 0  # bytes of the body
        self.keep = False  # whether the connection outlives it
        self._lines = ""
        self._closes = self._chunked = self._without_body = self._mistaken = self._ended = False

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """Take the head; raises what is wrong with it: the app's fault."""
        if exc_info and self.client.sending:
            raise exc_info[1].with_traceback(exc_info[2])
        if self.status and not exc_info:
            raise AssertionError("start_response was called twice")
        self.code = status_code(status)
        bare = self.code == 204 or self.code < 200
        self._lines, self.length, self._closes = checked(headers, bare)
        self.status = status
        self._without_body = bare or self.code == 304 or self.request.method == "HEAD"
        self._chunked = self.length is None and self.request.minor == 1 and not self._without_body
        return self.write

    def write(self, data: bytes, last: bool = False) -> None:
        """Send a piece of the body, and the head before the first."""
        if not self.status:
            raise AssertionError("start_response was not called")
        if not isinstance(data, bytes):
            raise TypeError(f"{type(data).__name__} where bytes must be")
        if self.length is not None and self.sent + len(data) > self.length:
            self._mistaken = self._mistaken or not self._without_body
            data = data[: self.length - self.sent]
        if self._without_body or not data:
            return
        self.sent += len(data)
        if last or self.sent == self.length:
            self.release()
        if self._chunked:
            self._ended = last
            end = b"\r\n0\r\n\r\n" if last else b"\r\n"
            self._send(b"%x\r\n" % len(data), data, end)
        else:
            self._send(data)

    def finish(self) -> None:
        """Send what is left when the app has no more; close where it did not keep its word."""
        if not self.status:
            raise AssertionError("start_response was not called")
        self.release()
        if self._chunked and not self._ended:
            self._send(b"0\r\n\r\n")
        elif not self.client.sending:
            self._send()
        short = not self._without_body and self.length is not None and self.sent < self.length
        if short or self._mistaken:
            self.keep = False
            asked = self.request.method, self.request.path
            log.error(MISTAKE, *asked, self.length, self.sent if short else "more")

    def _send(self, *pieces: bytes) -> None:
        """Send pieces, small ones in one packet; the head, if it is due, is made now."""
        if not self.client.sending:
            reusable = self.client.before_answer(self.code)
            open_end = not (self._chunked or self._without_body) and self.length is None
            self.keep = reusable and not (self._closes or open_end)
            start = head(
                self.request.minor,
                self.status,
                self._lines,
                keep=self.keep,
                chunked=self._chunked,
            )
            pieces = (start, *pieces)
        if sum(map(len, pieces)) <= JOINED:
            self.client.send(b"".join(pieces))
        else:
            for piece in pieces:
                self.client.send(piece)

    def send_all(self, result: Iterable[bytes]) -> None:
        """Send what the app returned; raises what that raises."""
        if isinstance(result, list | tuple) and len(result) == 1:  # as most
            self.write(result[0], last=True)
            self.finish()
            self.done(self.keep)
        else:
            for piece in result:
                self.write(piece)
            self.finish()

    def early_hints(self, headers: list[tuple[str, str]]) -> None:
        """Send 103 (RFC 8297) before the response, to clients that know it."""
        if self.request.minor and not self.client.sending:
            lines = checked(headers).lines
            self.client.send(f"HTTP/1.1 103 Early Hints\r\n{lines}\r\n".encode("latin-1"))
            self.client.sending = False
