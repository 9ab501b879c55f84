"""hellopod with handlers as a fork may have, for benchmarks.instructions."""

import socket
from typing import Any

from flask import Flask, request

import service


def create_app() -> Flask:
    """Return the service with them."""
    app = service.create_app()
    app.add_url_rule("/echo", "echo_json", echo, methods=["POST"])
    app.add_url_rule("/hold/<int:port>", "hold", hold)
    return app


def echo() -> Any:
    """Answer with the JSON of the request, as that of benchmarks/references/bare does."""
    return request.json


def hold(port: int) -> dict[str, Any]:
    """Stay until a port of this machine, to which this connects, closes the connection."""
    with socket.create_connection(("127.0.0.1", port)) as caller:
        caller.recv(1)
    return {}
