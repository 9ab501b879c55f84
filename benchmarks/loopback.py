"""GET from a server on this machine, past any proxy that the environment names."""

from urllib.request import ProxyHandler, build_opener

OPENER = build_opener(ProxyHandler({}))


def get(url: str, timeout: float = 60) -> bytes:
    """Return a body; raises OSError, which for a status of 400 or more is an HTTPError."""
    with OPENER.open(url, timeout=timeout) as response:
        return bytes(response.read())
