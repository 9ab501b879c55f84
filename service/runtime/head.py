"""What the runtime itself needs to know of a request's head, without gunicorn's parser."""

import re

# As service/correlation.py, where the rule comes from. A version behind 00 may have more to say.
TRACEPARENT = re.compile(
    r"(?!ff|00.{53}-)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)


def header(head: bytes | bytearray, name: str) -> str:
    """Return a header of the request that starts with `head`, "" for none.

    Several are one with commas in it (RFC 9110 section 5.3).
    """
    lines = re.compile(rb"\r\n%b:([^\r]*)" % name.encode(), re.IGNORECASE)
    found = lines.findall(head, 0, head.find(b"\r\n\r\n") + 2)
    return ",".join(value.decode("latin-1").strip(" \t") for value in found)


def trace_id(head: bytes | bytearray) -> str | None:
    """Return the trace that a request belongs to, if it says so in a valid traceparent."""
    match = TRACEPARENT.fullmatch(header(head, "traceparent"))
    return match and match[1]
