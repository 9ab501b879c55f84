"""How h11 reads the requests on a connection. It shares no code with gunicorn."""

from typing import NamedTuple

import h11


class Asked(NamedTuple):
    """A whole request."""

    method: str
    body: bytes


def requests(data: bytes) -> list[Asked]:
    """Return the requests up to the first one that is malformed, cut off or the last."""
    found: list[Asked] = []
    while data:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=len(data) + 1)
        while data.startswith(b"\r\n"):  # it takes no empty lines before a request
            data = data[2:]
        connection.receive_data(data)
        connection.receive_data(b"")
        try:
            asked = read(connection)
        except h11.RemoteProtocolError:
            asked = None
        if asked is None:
            return found
        found.append(asked)
        if connection.their_state is h11.MUST_CLOSE:
            return found
        data = connection.trailing_data[0]
    return found


def read(connection: h11.Connection) -> Asked | None:
    """Return the first request, or None if it does not end."""
    method, body = "", b""
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        if isinstance(event, h11.Request):
            method = event.method.decode()
        elif isinstance(event, h11.Data):
            body += event.data
        else:
            return None
    return Asked(method, body)
