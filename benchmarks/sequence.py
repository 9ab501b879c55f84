"""Requests one after the other on one connection, for what is counted and not timed."""

import json
import socket
import sys
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection

# 20 fields, 2 kB.
RECORD = json.dumps({f"field_{number}": "abcdefghij" * 9 for number in range(20)})


@dataclass(frozen=True)
class Request:
    """What to ask for, and the status of the answer."""

    path: str
    method: str = "GET"
    body: str | None = None
    status: int = 200


def send(port: int, request: Request, number: int) -> None:
    """Send so many, and connect again where the server closes; raises SystemExit at any other
    status."""
    headers = {"User-Agent": "benchmarks", "Accept": "*/*"}
    if request.body is not None:
        headers["Content-Type"] = "application/json"
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        for _ in range(number):
            connection.request(request.method, request.path, request.body, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != request.status:
                wrong = f"{request.path} answered {answer.status}, not {request.status}"
                sys.exit(f"benchmarks: {wrong}")


class Held:
    """Occupies a handler of benchmarks.handlers for as long as the context lasts."""

    def __init__(self, port: int) -> None:
        self.port = port

    def __enter__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(60)
        self.client = HTTPConnection("127.0.0.1", self.port, timeout=60)
        self.client.request("GET", f"/hold/{self.listener.getsockname()[1]}")
        self.handler, _ = self.listener.accept()

    def __exit__(self, *_: object) -> None:
        self.handler.close()
        self.client.getresponse().read()
        self.client.close()
        self.listener.close()
