"""Variables that OpenTelemetry's SDK reads at its start, checked before it does.

It refuses some with a traceback, logs others and leaves them out, or fails at each sending. Names
and defaults:
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from collections.abc import Callable, Mapping
from typing import Any

from service.config import SettingError, presentable
from service.parsing import Invalid, integer, one_of, seconds
from service.setting_files import content

COUNT = integer(0, 2**31 - 1)
ABOVE_ZERO = integer(1, 2**31 - 1)
QUEUE, BATCH = "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"

PARSERS: dict[str, Callable[[str], Any]] = {
    "OTEL_ATTRIBUTE_COUNT_LIMIT": COUNT,
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": COUNT,
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": COUNT,
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": COUNT,
    "OTEL_SPAN_EVENT_COUNT_LIMIT": COUNT,
    "OTEL_SPAN_LINK_COUNT_LIMIT": COUNT,
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT": COUNT,
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT": COUNT,
    QUEUE: ABOVE_ZERO,
    BATCH: ABOVE_ZERO,
    "OTEL_BSP_SCHEDULE_DELAY": ABOVE_ZERO,
    "OTEL_BSP_EXPORT_TIMEOUT": ABOVE_ZERO,
}
for _kind in ("", "TRACES_"):  # OTEL_EXPORTER_OTLP_TRACES_... is for spans, and preferred
    PARSERS |= {
        f"OTEL_EXPORTER_OTLP_{_kind}TIMEOUT": seconds(0.001, 3600),
        f"OTEL_EXPORTER_OTLP_{_kind}COMPRESSION": one_of("none", "gzip", "deflate"),
        f"OTEL_EXPORTER_OTLP_{_kind}CERTIFICATE": content,
        f"OTEL_EXPORTER_OTLP_{_kind}CLIENT_CERTIFICATE": content,
        f"OTEL_EXPORTER_OTLP_{_kind}CLIENT_KEY": content,
    }
DEFAULTS = {QUEUE: 2048, BATCH: 512}


def check(environ: Mapping[str, str]) -> None:
    """Raise SettingError for the first variable that is wrong; an empty one is not set."""
    values = dict(DEFAULTS)
    for name, parse in PARSERS.items():
        if given := environ.get(name, ""):
            try:
                values[name] = parse(given)
            except Invalid as allowed:
                raise SettingError(
                    f"{name}={presentable(name, given)} is not allowed: {allowed}"
                ) from None
    if values[BATCH] > values[QUEUE]:
        raise SettingError(
            f"{BATCH}={values[BATCH]} is not allowed: it must not be above {QUEUE} "
            f"({values[QUEUE]})"
        )
