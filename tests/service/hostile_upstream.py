"""An upstream on a raw socket that answers as a test tells it, and notes what it was asked."""

import socket
import struct
import threading
from contextlib import ExitStack, contextmanager, suppress

LONGEST = 5  # seconds to wait for a thread to end
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@contextmanager
def full_backlog():
    """Give the port of a full backlog: the kernel drops what comes, as a firewall does."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, ExitStack() as stack:
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        yield server.getsockname()[1]


class HostileUpstream:
    """Calls `answer(sock, head, number)` for each request; it returns whether to read another.

    With an SSLContext it speaks TLS.
    """

    def __init__(self, answer, context=None):
        self.context = context
        self.answer = answer
        self.heads = []  # of all requests
        self.connections = 0
        self.over = threading.Event()
        self._lock = threading.Lock()
        self._open = []
        self._threads = []
        self.server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.server.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self):
        self._start(self._accept)
        return self

    def __exit__(self, *_):
        """Wake the threads that wait at a socket, and close that when they are gone.

        One that went on at a closed one could take what comes for another: the next socket that
        anybody opens gets its number.
        """
        self.over.set()
        accepting, *_ = self._threads
        wake(self.server)
        accepting.join(LONGEST)
        for sock in self._open:
            wake(sock)
        for thread in self._threads:
            thread.join(LONGEST)
        for sock in (self.server, *self._open):
            sock.close()

    def _start(self, target, *args):
        self._threads.append(threading.Thread(target=target, args=args, daemon=True))
        self._threads[-1].start()

    def _accept(self):
        with suppress(OSError):
            while True:
                sock, _ = self.server.accept()
                self.connections += 1
                self._open.append(sock)
                self._start(self._serve, sock)

    def _serve(self, sock):
        with suppress(OSError), self._secured(sock) as sock:
            self._open.append(sock)
            while head := read_head(sock):
                with self._lock:
                    self.heads.append(head)
                    number = len(self.heads)
                if not self.answer(sock, head, number):
                    return

    def _secured(self, sock):
        return self.context.wrap_socket(sock, server_side=True) if self.context else sock


def wake(sock):
    """End the wait of the thread that waits at a socket."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def read_head(sock):
    """Read a request and return its head as text; its body is read as Content-Length says."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            return ""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    text = head.decode("latin-1")
    length = int(header(text, "Content-Length") or 0)
    while len(body) < length:
        body += sock.recv(65536)
    return text


def header(head, name):
    """Return the value of a header, or None."""
    for line in head.split("\r\n")[1:]:
        found, _, value = line.partition(":")
        if found.lower() == name.lower():
            return value.strip()
    return None


def reset(sock):
    """End a connection with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def saying(*pieces):
    """Answer every request with these bytes, and keep the connection."""

    def answer(sock, head, number):
        for piece in pieces:
            sock.sendall(piece)
        return True

    return answer
