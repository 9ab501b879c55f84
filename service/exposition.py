"""Metrics as text, in the format that a client prefers."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics import exposition as openmetrics
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header, parse_options_header

OPENMETRICS = "application/openmetrics-text"


def render(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """Return all metrics, and the media type. OpenMetrics, if preferred, has exemplars too.

    prometheus_client's own choice ignores q values, and fails for a version that is no number.
    """
    likes = {"text": 0.0, "openmetrics": 0.0}
    for media_range, quality in parse_accept_header(accept, MIMEAccept):
        kind, options = parse_options_header(media_range)
        if kind in ("text/plain", "text/*", "*/*"):
            likes["text"] = max(likes["text"], quality)
        elif kind == OPENMETRICS and options.get("version", "1.0.0") in ("0.0.1", "1.0.0"):
            likes["openmetrics"] = max(likes["openmetrics"], quality)
    if likes["openmetrics"] and likes["openmetrics"] >= likes["text"]:
        # Our names need no escaping. To look for what does would take half as long again.
        text = openmetrics.generate_latest(registry, openmetrics.ALLOWUTF8)  # type: ignore[no-untyped-call]
        return text, openmetrics.CONTENT_TYPE_LATEST
    return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4
