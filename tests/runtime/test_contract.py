"""What the runtime takes from gunicorn that gunicorn does not promise.

When it fails: read what changed between the two versions in the function it names, see whether what
is said of it here still holds, run the other tests, and write the new fingerprint down.
"""

import hashlib
import inspect
import re

import gunicorn
import pytest
from gunicorn import arbiter, config, sock, util
from gunicorn.http import body, message, parser, unreader, wsgi
from gunicorn.workers import base, gthread

WRITTEN_FOR = "27.0.1"

# function: what we rely on, fingerprint
RELIED_ON = {
    gthread.ThreadWorker.__init__: ("sets tpool, method_queue; starts nothing", "2954432aa328"),
    gthread.ThreadWorker.init_process: ("makes tpool and the pipe after the fork", "4fc37754dee6"),
    gthread.ThreadWorker.handle_exit: (
        "sets alive and wakes the loop; we add: exit when booting",
        "bd88a2e0ee21",
    ),
    gthread.ThreadWorker.handle_quit: ("uses tpool only", "89d201644eb7"),
    gthread.ThreadWorker.handle: (
        "uses conn.sock, parser, init(), client, flags; maps errors",
        "d9a1ce8888e4",
    ),
    gthread.ThreadWorker._keepalive_after: ("drains with parser.finish_body", "fa22300737bc"),
    gthread.ThreadWorker.handle_request: (
        "calls pre_request, wsgi.create; decides on keep-alive",
        "10c0101bf9bc",
    ),
    gthread.PollableMethodQueue.defer: ("may be called from any thread", "7684c1918eed"),
    gthread.PollableMethodQueue.run_callbacks: (
        "drains as many callbacks as wake-up bytes",
        "e2721e2d4c1a",
    ),
    base.Worker.init_process: (
        "init_signals, load_wsgi, post_worker_init, booted, run",
        "13dc2be5e66b",
    ),
    base.Worker.init_signals: ("sets SIGINT, which we ignore", "d7aaa77e5e6a"),
    base.Worker.handle_error: (
        "writes one page with write_error, having chosen the status",
        "3fa2a9b845fb",
    ),
    util.write_error: (
        "the status line comes first; a non-blocking socket is not touched",
        "29d7aa6f2b5d",
    ),
    util.close_graceful: (
        "gives up and calls close() when shutdown() raises OSError",
        "27bea91dbdb3",
    ),
    wsgi.create: ("sends 100 Continue if _expected_100_continue", "275dc0c112a4"),
    wsgi.Response.should_close: (
        "asks req.should_close() unless it must close anyway",
        "72643dc65b69",
    ),
    wsgi.Response.default_headers: ("asks should_close() when the head is sent", "5868ae6b3377"),
    wsgi.Response.sendfile: ("is off with the setting sendfile", "99a476617ba9"),
    body.Body._read_reader: ("sets failed when the body is malformed", "ec1d4a8fe87f"),
    message.Message.parse_headers: (
        "is given all header lines, without the last CRLF",
        "b819a3e5729b",
    ),
    message.Request.parse_request_line: (
        "sets method, uri, path and version, or raises",
        "b30aa481380d",
    ),
    message.Request.set_body_reader: ("comes after headers, sets body or raises", "63a3251b97ef"),
    message.HeaderPolicy._peer_is_trusted_proxy: (
        "says whether the peer is in forwarded_allow_ips",
        "ba89dd12733e",
    ),
    message.Message.__init__: ("takes https from cfg.is_ssl", "5f4b72550d99"),
    message.Message.should_close: ("looks at version and Connection", "6ed2c81865e1"),
    parser.Parser.__init__: (
        "makes a SocketUnreader of what has recv(), else reads an iterable",
        "aba65bd61974",
    ),
    parser.Parser.__next__: ("finishes the last body, then reads the next request", "4ba36ca7bfa6"),
    parser.Parser.finish_body: (
        "leaves the timeouts of a socket without settimeout alone",
        "668e22152c4a",
    ),
    unreader.Unreader.unread: ("puts bytes before what is buffered", "0e49e2a82bf6"),
    unreader.Unreader.take_buffered: ("returns what was read ahead", "61a601bc9ddf"),
    unreader.SocketUnreader.chunk: ("reads mxchunk bytes with sock.recv()", "e1fc7ed2adac"),
    sock.TCPSocket.__str__: ("logs https with cfg.is_ssl", "c0c99f01651f"),
    config.Config.is_ssl.fget: (
        "is true with a certfile, which we set and never read",
        "0c6aee1b7160",
    ),
    config.Config.__getattr__: ("is asked for what is not in vars()", "5ecca9ae11b5"),
    sock.TCPSocket.get_backlog: ("returns the accept queue's length", "d52c44531e89"),
    arbiter.Arbiter.init_signals: (
        "runs before when_ready, so that Drain can replace handlers",
        "940d8180d24d",
    ),
    arbiter.Arbiter.run: ("lets SystemExit through", "585d2031e53b"),
    arbiter.Arbiter.handle_term: ("stops gracefully", "9a5d2bf0522b"),
    arbiter.Arbiter.wait_for_signals: ("reads SIG_QUEUE", "11e13e8cc182"),
    arbiter.Arbiter.stop: (
        "SIGTERM, graceful_timeout, SIGKILL; SIGINT in SIG_QUEUE is quick",
        "3e134011dbc3",
    ),
    arbiter.Arbiter.halt: ("exits with 0", "36b26c66eea3"),
    arbiter.Arbiter.spawn_worker: ("calls pre_fork, then os.fork()", "f5591b3cd606"),
    arbiter.Arbiter.reap_workers: (
        "survives a worker that was killed; calls child_exit, which may exit",
        "ab6125f3896f",
    ),
}


def fingerprint(function) -> str:
    """Return a digest of its code, whatever its comments say."""
    code = re.sub(r'^\s*"""(.|\n)*?"""\n', "", inspect.getsource(function), flags=re.M)
    lines = (line.rstrip() for line in code.splitlines())
    text = "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@pytest.mark.parametrize("function", RELIED_ON, ids=lambda function: function.__qualname__)
def test_gunicorn_is_as_we_know_it(function):
    relied_on, known = RELIED_ON[function]
    assert fingerprint(function) == known, (
        f"{function.__module__}.{function.__qualname__} of gunicorn {gunicorn.__version__} is not "
        f"that of {WRITTEN_FOR}; we rely on: {relied_on}"
    )
