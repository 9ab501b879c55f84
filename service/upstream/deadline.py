"""The budget of a request: how many seconds from its arrival its calls may take in all."""

import re
from collections.abc import Mapping
from typing import Any

HEADER = "X-Request-Timeout"
SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
LEAST = 0.001  # seconds: less is as good as nothing
# So much less goes on to the upstream, so that what it says at its own deadline comes before ours.
MARGIN_SHARE = 0.1
LARGEST_MARGIN = 0.25  # seconds


def of_request(environ: Mapping[str, Any], default: float, most: float) -> float:
    """Return when a request has to be answered, of time.monotonic().

    The caller says so; what is malformed counts as not said, as with every other header.
    """
    given = environ.get("HTTP_X_REQUEST_TIMEOUT", "")
    seconds = float(given) if SECONDS.fullmatch(given) else default
    arrived: float = environ["hellopod.arrived"]
    return arrived + min(seconds, most)


def passed_on(left: float) -> str:
    """Return what to tell an upstream, in the form of the header."""
    less = left - min(LARGEST_MARGIN, MARGIN_SHARE * left)
    return f"{int(less * 1000) / 1000:.3f}"
