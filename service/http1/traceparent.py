"""The header that names the trace a request belongs to."""

import re

# https://www.w3.org/TR/trace-context-1/#traceparent-header: version ff and zero ids are invalid;
# version 00 ends after the flags, a later one may go on after a dash.
TRACEPARENT = re.compile(
    r"(?!ff|00.{53}-)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.*)?"
)
