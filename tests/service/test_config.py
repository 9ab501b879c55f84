import socket
from dataclasses import FrozenInstanceError, dataclass

import pytest

from service.config import Config, SettingError

UPSTREAMS = (
    "at most 16 http:// or https:// URLs, with commas, each once, "
    "without user, password, query and fragment"
)
COLLECTOR = "an http:// or https:// URL without user, password and query"
NETWORKS = "addresses and networks such as 10.0.0.0/8,fd00::/8, no bit set behind the prefix"


def test_defaults():
    assert Config.from_env({}) == Config()
    assert Config().port == 8000
    assert Config().pod_name == socket.gethostname()


def test_values_are_parsed():
    config = Config.from_env({"PORT": "0", "LOG_LEVEL": "debug", "POD_NAME": "a", "OTHER": "x"})

    assert (config.port, config.log_level, config.pod_name) == (0, "debug", "a")


def test_empty_is_unset():
    assert Config.from_env({"PORT": "", "VERSION": ""}) == Config()


def test_frozen():
    with pytest.raises(FrozenInstanceError):
        Config().port = 1


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("PORT", "abc", "a whole number from 0 to 65535"),
        ("PORT", "65536", "a whole number from 0 to 65535"),
        ("PORT", "-1", "a whole number from 0 to 65535"),
        ("PORT", "+1", "a whole number from 0 to 65535"),
        ("PORT", " 1", "a whole number from 0 to 65535"),
        ("PORT", "8_000", "a whole number from 0 to 65535"),
        ("PORT", "٨", "a whole number from 0 to 65535"),
        ("PORT", "00000000000099999", "a whole number from 0 to 65535"),
        ("PORT", "tcp://10.0.0.1:80", "a whole number from 0 to 65535"),
        ("LOG_LEVEL", "loud", "one of debug, info, warning, error"),
        ("LOG_LEVEL", "INFO", "one of debug, info, warning, error"),
        ("CONCURRENCY", "0", "a whole number from 1 to 512"),
        ("MAX_CONTENT_LENGTH", "9" * 5000, "a whole number from 1 to 1073741824"),
        ("POD_NAME", " ", "at most 253 printable ASCII characters"),
        ("POD_NAME", "a\r\nSet-Cookie: b", "at most 253 printable ASCII characters"),
        ("VERSION", "v" * 254, "at most 253 printable ASCII characters"),
        ("NODE_NAME", "\udcff", "at most 253 printable ASCII characters"),
        *(
            ("TRUSTED_PROXIES", cidrs, NETWORKS)
            for cidrs in (
                "*",
                "proxy",
                ",",
                "10.0.0.0/8,",
                "10.0.0.1/8",
                "10.0.0.0/33",
                "10.0.0.0/255.0.0.0",
                "10.0.0.0/-1",
                "010.0.0.0/8",
                "10.0.0.0/8 fd00::/8",
                "fd00::/129",
                "fe80::%eth0/64",
                "::ffff:10.0.0.0/104",
                "\u0661.0.0.0",
                "1" * 5000,
            )
        ),
        *(
            ("UPSTREAMS", urls, UPSTREAMS)
            for urls in (
                "http://a,https://a",  # they would have one name in metrics
                "hellopod-b",
                "tcp://10.0.0.1:80",
                "ftp://a",
                "HTTP://a",
                "http://",
                "http://a,",
                "http://a,,http://b",
                "http://a http://b",
                "http://a?b",
                "http://a/#b",
                "http://a b",
                "http://a:0",
                "http://a:65536",
                "http://[::1",
                "http://a,http://a",
                "http://a,http://A/",
                "http://a,http://a:80",
                "http://a,https://a:80",
                "https://a/b,https://a:443/b/",
                ",".join(f"http://a{number}" for number in range(17)),
                "http://\u0430",
                "http://a\n",
            )
        ),
        ("TLS_CERT_FILE", "-----BEGIN CERTIFICATE-----\nMII", "the path of a file"),
        ("TLS_CERT_FILE", "/" + 4095 * "x", "the path of a file"),
        ("TLS_CERT_FILE", "/a\udcff", "the path of a file"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", COLLECTOR),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://collector:4317", COLLECTOR),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://", COLLECTOR),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:port", COLLECTOR),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector/?key=x", COLLECTOR),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector\n", COLLECTOR),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:65536", COLLECTOR),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:0", COLLECTOR),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[00]:4318", COLLECTOR),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://-collector", COLLECTOR),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector..monitoring", COLLECTOR),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://" + "a" * 64, COLLECTOR),
    ],
)
def test_bad_value(name, value, allowed):
    with pytest.raises(SettingError) as error:
        Config.from_env({name: value})

    message = str(error.value)
    assert message.startswith(f"{name}='")
    assert message.endswith(f" is not allowed: {allowed}")
    assert message.isascii() and message.isprintable() and len(message) < 300


@pytest.mark.parametrize(
    "url", ["http://collector", "https://[::1]:4318/", "http://a-b.c:4318/some/path"]
)
def test_collector(url):
    assert Config.from_env({"OTEL_EXPORTER_OTLP_ENDPOINT": url}).otel_exporter_otlp_endpoint == url


@pytest.mark.parametrize(
    ("given", "parsed"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.1", "10.0.0.1/32"),
        ("10.0.0.0/8, FD00:0::/8 ,::1", "10.0.0.0/8,fd00::/8,::1/128"),
        ("0.0.0.0/0,::/0", "0.0.0.0/0,::/0"),
    ],
)
def test_trusted_proxies(given, parsed):
    assert Config.from_env({"TRUSTED_PROXIES": given}).trusted_proxies == parsed


@pytest.mark.parametrize(
    ("given", "parsed"),
    [
        ("http://hellopod-b", "http://hellopod-b"),
        ("http://B:8080/, https://c/Base/ ", "http://b:8080,https://c/Base"),
        ("http://a,http://a/b,http://a:8080", "http://a,http://a/b,http://a:8080"),
        ("http://[::2]:80,http://10.0.0.9", "http://[::2]:80,http://10.0.0.9"),
    ],
)
def test_upstreams(given, parsed):
    assert Config.from_env({"UPSTREAMS": given}).upstreams == parsed


INSTANCE = {
    "POD_NAME": "a-7c5d-x1",
    "POD_NAMESPACE": "shop",
    "POD_IP": "10.0.0.1",
    "SERVICE_ACCOUNT": "a",
}


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8000",
        "http://api.localhost:9000",
        "http://127.0.0.1:8000",
        "http://127.0.0.2:9000/base",
        "http://127.1:8000",
        "http://2130706433:8000",
        "http://0x7f.1:8000",
        "http://0.0.0.0:8000",
        "http://[::1]:8000",
        "http://[::]:8000",
        "http://[0:0::1]:8000",
        "http://[::ffff:127.0.0.1]:8000",
        "http://10.0.0.1:8000",
        "http://[::ffff:10.0.0.1]:9000",
        "http://A-7c5d-x1:8000",
        "http://a",
        "http://a:80",
        "https://a",
        "http://a:8080",
        "http://a.shop",
        "http://a.shop.svc",
        "http://A.shop.svc.cluster.local/base",
    ],
)
def test_no_service_is_its_own_upstream(url):
    with pytest.raises(SettingError, match="^UPSTREAMS='.*' is not allowed: that is this service"):
        Config.from_env(INSTANCE | {"UPSTREAMS": f"http://other,{url}"})


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8001",
        "http://127.0.0.1",
        "http://10.0.0.2:8000",
        "http://a-b",
        "http://b-a",
        "http://a.other.svc",
        "http://a.shop.example.com",
    ],
)
def test_others_may_be_upstreams(url):
    assert Config.from_env(INSTANCE | {"UPSTREAMS": url}).upstreams == url


def test_default_service_account_names_nobody():
    found = Config.from_env({"SERVICE_ACCOUNT": "default", "UPSTREAMS": "http://default"})
    assert found.upstreams == "http://default"


@pytest.mark.parametrize(
    ("name", "url", "allowed"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:geheim@collector", COLLECTOR),
        ("UPSTREAMS", "http://a,http://user:geheim@b", UPSTREAMS),
        ("UPSTREAMS", "http://a?password=geheim", UPSTREAMS),
    ],
)
def test_password_in_a_url_is_not_shown(name, url, allowed):
    with pytest.raises(SettingError, match=allowed) as error:
        Config.from_env({name: url})

    assert "geheim" not in str(error.value)


@pytest.mark.parametrize("name", ["TLS_KEY_FILE", "TLS_CERT_FILE"])
def test_private_key_in_the_place_of_its_file_is_not_shown(name):
    with pytest.raises(SettingError, match="the path of a file") as error:
        Config.from_env({name: "-----BEGIN PRIVATE KEY-----\ngeheim"})

    assert str(error.value).startswith(f"{name}='***' is not allowed: ")


@pytest.mark.parametrize("token", ["geheim", "geheim" * 100, "geheim-and-long-enough\n"])
def test_bad_secret_is_not_shown(token):
    with pytest.raises(SettingError) as error:
        Config.from_env({"CHAOS_TOKEN": token})

    assert str(error.value).startswith("CHAOS_TOKEN='***' is not allowed: ")
    assert "geheim" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"PORT": "9000"}, "MANAGEMENT_PORT=9000 is not allowed: it must differ from PORT"),
        (
            {"TLS_CERT_FILE": "/a/b"},
            "^TLS_CERT_FILE='/a/b' is not allowed: TLS_KEY_FILE must be set too$",
        ),
        (
            {"TLS_KEY_FILE": "/a/b"},
            r"^TLS_KEY_FILE='\*\*\*' is not allowed: TLS_CERT_FILE must be set too$",
        ),
        ({"GRACEFUL_TIMEOUT": "120"}, "HANDLER_TIMEOUT=120 is not allowed: it must be above"),
        (
            {"UPSTREAM_CONCURRENCY": "16"},
            r"^UPSTREAM_CONCURRENCY=16 is not allowed: it must be below CONCURRENCY \(16\)",
        ),
        ({"METRICS_ON_HTTP": "yes"}, "METRICS_ON_HTTP='yes' is not allowed: true or false"),
        ({"QUEUE_TIMEOUT": "0"}, "QUEUE_TIMEOUT='0' is not allowed: seconds from 0.01 to 60"),
        ({"QUEUE_TIMEOUT": "1e1"}, "QUEUE_TIMEOUT='1e1' is not allowed: seconds from 0.01 to 60"),
    ],
)
def test_settings_that_do_not_go_together(settings, message):
    with pytest.raises(SettingError, match=message):
        Config.from_env(settings)


def test_token_is_concealed_wherever_it_stands():
    config = Config.from_env({"CHAOS_TOKEN": "geheim.und+lang/genug="})

    assert config.conceal("?q=GEHEIM.und+lang/genug=&geheim") == "?q=***&geheim"
    assert config.conceal(b"\xffgeheim.und+lang/genug=\xff") == b"\xff***\xff"
    assert "geheim" not in repr(config) and "'CHAOS_TOKEN': '***'" in repr(config)
    assert Config().conceal("") == ""


def test_secrets_are_starred():
    @dataclass(frozen=True, kw_only=True)
    class WithSecret(Config):
        chaos_token: str = "geheim"
        empty_password: str = ""

    public = WithSecret().public()

    assert public["CHAOS_TOKEN"] == "***"
    assert public["EMPTY_PASSWORD"] == ""
    assert public["PORT"] == 8000
