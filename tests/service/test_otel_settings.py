"""Variables of OpenTelemetry's SDK: what it would refuse, log or fail with is refused at the start.

tests/process/test_tracing.py starts the process.
"""

import pytest

import service
from service import otel_settings
from service.config import SettingError

COUNT = "a whole number from 0 to 2147483647"
ABOVE_ZERO = "a whole number from 1 to 2147483647"
PREFIX = "OTEL_EXPORTER_OTLP_"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "many", COUNT),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "-3", COUNT),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "-1", ABOVE_ZERO),
        ("OTEL_BSP_SCHEDULE_DELAY", "5s", ABOVE_ZERO),
        ("OTEL_BSP_EXPORT_TIMEOUT", "0", ABOVE_ZERO),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "511", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=512 is not allowed"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2049", "above OTEL_BSP_MAX_QUEUE_SIZE (2048)"),
        (PREFIX + "TIMEOUT", "soon", "0.001"),
        (PREFIX + "TRACES_TIMEOUT", "0", "0.001"),
        (PREFIX + "COMPRESSION", "zip", "none, gzip"),
        (PREFIX + "TRACES_COMPRESSION", "GZIP", "none, gzip"),
        (PREFIX + "CERTIFICATE", "/nowhere", "the file cannot be read: No such file"),
        (PREFIX + "CLIENT_KEY", "/nowhere", "CLIENT_KEY='***' is not allowed: the file cannot"),
        (PREFIX + "TRACES_CLIENT_CERTIFICATE", "/", "it is not a file"),
    ],
)
def test_is_refused_with_a_sentence(name, value, reason):
    with pytest.raises(SettingError) as refused:
        otel_settings.check({name: value})

    assert name in str(refused.value) and reason in str(refused.value)


def test_what_is_right_or_empty_is_not():
    right = {
        "OTEL_BSP_MAX_QUEUE_SIZE": "64",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "64",
        "OTEL_ATTRIBUTE_COUNT_LIMIT": "0",
        PREFIX + "TIMEOUT": "2.5",
        PREFIX + "COMPRESSION": "gzip",
        PREFIX + "CERTIFICATE": __file__,
    }
    otel_settings.check(right | {name: "" for name in otel_settings.PARSERS.keys() - right.keys()})


def test_the_app_refuses_before_the_sdk_is_imported(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", "many")

    with pytest.raises(SettingError, match="OTEL_SPAN_EVENT_COUNT_LIMIT='many'"):
        service.create_app()
