"""Settings of any text: accepted, or refused in one line; never a traceback."""

import json
import os
from dataclasses import fields

import hypothesis
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.config import Config, SettingError, is_secret
from tests.runtime.gunicorn_process import OURS, SAMPLE, Gunicorn
from tests.runtime.invariants import faults
from tests.runtime.raw import eventually, get

NAMES = [setting.name.upper() for setting in fields(Config)]
# What an environment can hold: any bytes but NUL. Python sees them as UTF-8 and lone surrogates.
ANYTHING = st.binary(max_size=300).map(lambda data: os.fsdecode(data.replace(b"\0", b"")))
NUMBERS = st.one_of(
    st.integers().map(str),
    st.integers(0, 100_000).map(str),
    st.floats().map(str),
    st.floats(0, 100, width=16).map(lambda number: f"{number:.3f}"),
    st.from_regex(r"[0-9]{1,4}(\.[0-9]{0,4})?", fullmatch=True),
    st.text("0123456789", min_size=1, max_size=5000),
    st.text("0٣٨²½-+_.,eExX \n\t", min_size=1, max_size=12),
)
WORDS = st.sampled_from(
    ["true", "false", "True", "yes", "1", "info", "INFO", "debug", "warning", "error", "trace"]
    + ["::1", "10.0.0.1", "a" * 253, "a" * 254, "pod-1", "hello", "'", '"', "\\", "$(POD_NAME)"]
)
HOSTS = st.one_of(
    st.text("abcAB019-._%@:[]/?# ", max_size=30),
    st.text("[]:0123456789abcdef.", max_size=20).map(lambda text: f"[{text}]"),
    st.sampled_from(["a" * 63, "a" * 64, "a" * 253, "a." * 126 + "a", "localhost", "[::1]"]),
)
URLS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["http://", "https://", "HTTP://", "grpc://", "//", ""]),
    HOSTS,
    st.one_of(st.just(""), st.integers(-1, 100_000).map(":{}".format), st.just(":")),
    st.one_of(st.just(""), st.text("/abc?#@ %&=~.-", max_size=20)),
)
TOKENS = st.text("abcXYZ019-._~+/=", min_size=14, max_size=210)
TEXTS = st.one_of(ANYTHING, NUMBERS, WORDS, URLS, TOKENS, st.text(max_size=300))
# Nearly right: what is right for some setting, with something about it.
NEARLY = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "", " ", "\n", "0", "+", "\ufeff"]),
    st.one_of(NUMBERS, WORDS, TOKENS),
    st.sampled_from(["", "", " ", "\n", "\r\n", "\0", "s", "%"]),
)


def assert_refused(message):
    """One line that names a variable and shows what was given, unless it is a secret."""
    name, equals, rest = message.partition("=")
    assert equals and name in NAMES
    assert " is not allowed: " in rest
    assert message.isascii() and message.isprintable() and len(message) < 700
    assert not is_secret(name) or rest.startswith("'***' ")


def check(environ):
    try:
        config = Config.from_env(environ)
    except SettingError as error:
        assert_refused(str(error))
        return
    shown = config.public()
    assert json.loads(json.dumps(shown)) == shown
    assert {shown[name] for name in filter(is_secret, NAMES)} <= {"", "***"}
    if config.otel_exporter_otlp_endpoint:
        requests.Request("POST", config.otel_exporter_otlp_endpoint).prepare()  # raises if unusable


def repeat(run, short, long, seed):
    """Run it for so many cases; in a short run they are the same each time."""
    count = short if seed is None else long
    few = settings(
        derandomize=seed is None,
        database=None,
        max_examples=count,
        deadline=None,  # quick, or the machine is slow: no reason to fail
        suppress_health_check=list(HealthCheck),
    )
    few(run if seed is None else hypothesis.seed(seed)(run))()


@pytest.mark.parametrize("name", NAMES)
def test_any_text(name, seed):
    @given(st.one_of(TEXTS, NEARLY))
    def run(text):
        check({name: text})

    repeat(run, 150, 1_000, seed)


def test_any_texts_together(seed):
    @given(st.dictionaries(st.sampled_from(NAMES), st.one_of(TEXTS, NEARLY), max_size=6))
    def run(environ):
        check(environ)

    repeat(run, 600, 5_000, seed)


RIGHT = {
    "METRICS_ON_HTTP": ["false"],
    "LOG_LEVEL": ["debug"],
    "MAX_CONTENT_LENGTH": ["1", "1073741824"],
    "CONCURRENCY": ["1", "64"],
    "QUEUE_LENGTH": ["0", "128"],
    "QUEUE_TIMEOUT": ["0.01", "60"],
    "READ_TIMEOUT": ["0.1", "3600"],
    "SEND_TIMEOUT": ["0.1", "3600"],
    "HANDLER_TIMEOUT": ["0.1", "1.001", "86400", "31"],
    "DRAIN_SECONDS": ["0"],
    "GRACEFUL_TIMEOUT": ["1", "120", "3600"],
    "KEEPALIVE": ["1", "3600"],
    "MAX_CONNECTION_AGE": ["1", "86400"],
    "CHAOS_TOKEN": ["a" * 16, "a" * 200 + "=="],
    "CHAOS_MAX_SECONDS": ["0.1", "3600"],
    "OTEL_EXPORTER_OTLP_ENDPOINT": ["http://[::1]:1", "https://localhost:1/a/"],
    "POD_NAME": ["'\"\\${}%s{0}", "a" * 253],
    "REVISION": ["\\", '"'],
}


RIGHT_ONES = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(values) for name, values in RIGHT.items()}
).map(lambda values: dict(sorted(values.items())[:4]))
# No port that may be free or not, no level that hides which port it is, and no hours of draining.
WRONG_ONE = st.one_of(
    st.tuples(st.sampled_from(sorted(set(RIGHT) - {"DRAIN_SECONDS", "LOG_LEVEL"})), TEXTS),
    st.tuples(
        st.sampled_from(["PORT", "MANAGEMENT_PORT", "DRAIN_SECONDS"]), TEXTS.map("x".__add__)
    ),
)


def assert_starts_or_says_why(environ):
    with_ports = {"PORT": "0", "MANAGEMENT_PORT": "0", "POD_NAME": "pod-1"} | environ
    server = Gunicorn(*OURS, SAMPLE, **environ)
    server.start()
    try:
        eventually(lambda: server.process.poll() is not None or running(server), 30)
        if server.process.poll() is None:
            Config.from_env(with_ports)
            assert get(int(server.wait_for(LISTENING)), "/api/identity")[0] == 200
            assert server.stop() == 0
            assert faults(server.records()) == []
            return
        assert server.wait() == 1
        (line,) = server.lines  # on standard output or standard error
        service, message = line.removesuffix("\n").split(": ", 1)
        assert service == "hellopod"
        assert_refused(message)
    finally:
        server.stop()


LISTENING = r"\bListening at: http://\S+:(\d+)"


def running(server):
    return any("Booting worker" in line for line in server.lines)


def test_the_process_starts_or_says_why(seed):
    @given(RIGHT_ONES, st.one_of(st.none(), WRONG_ONE))
    def run(right, wrong):
        environ = right | (dict([wrong]) if wrong else {})
        assert_starts_or_says_why({name: text.replace("\0", "") for name, text in environ.items()})

    repeat(run, 20, 60, seed)
