"""Probes on the service's port. Anybody may ask there."""

import threading
import time

from tests.runtime.gunicorn_process import OURS, TEST_APP, Gunicorn
from tests.runtime.raw import connect, get, read_response

PACE = 200  # a second, as SECURITY.md says
SECONDS = 2


def test_a_flood_of_probes_is_paced():
    """Others are served meanwhile, and so are probes of the management port."""
    answers = []

    def ask(server, until):
        with connect(server.port) as sock:
            while time.monotonic() < until:
                sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                answers.append(read_response(sock)[0])

    with Gunicorn(*OURS, TEST_APP) as server:
        started = time.monotonic()
        threads = [
            threading.Thread(target=ask, args=(server, started + SECONDS)) for _ in range(50)
        ]
        for thread in threads:
            thread.start()
        others = [get(server.port, "/do")[0] for _ in range(20)]
        probed = get(server.management, "/healthz")[0]
        for thread in threads:
            thread.join(timeout=30)
        took = time.monotonic() - started

    assert others == [200] * 20 and probed == 200
    assert set(answers) == {200}
    # What was saved up before counts too, and so does one that each connection has asked last.
    assert 50 < len(answers) <= PACE * (took + 0.2) + 1
