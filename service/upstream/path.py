"""Paths of calls that have something in them that a client sent."""

from urllib.parse import quote

from flask import abort


def segment(text: str) -> str:
    """Return a client's text as one segment of a path, percent-encoded.

    Answers 404 for "", "." and "..": they name another path (RFC 3986 section 5.2.4), and a proxy
    in between goes there. So it does for a lone surrogate of JSON, as no URL can hold it.
    """
    if text in ("", ".", ".."):
        abort(404)
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        abort(404)
