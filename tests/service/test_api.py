from dataclasses import replace

import pytest
import yaml
from openapi_schema_validator import OAS31Validator

from service import create_app
from service.api import ECHOED_BYTES


@pytest.fixture
def app(config):
    """With the endpoints of service/api.py; other tests have endpoints of their own."""
    return create_app(config)


def test_hello_is_text(client):
    response = client.get("/")

    assert response.text == "Hello from container hellopod-1!\n"
    assert response.content_type == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    "method", ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "X"]
)
def test_echo_any_method(client, method):
    echo = client.open("/api/echo?a=1&a=2&b=", method=method, data="hi").get_json()

    assert (echo["method"], echo["path"]) == (method, "/api/echo")
    assert echo["query"] == {"a": ["1", "2"], "b": [""]}
    assert (echo["body"], echo["body_bytes"], echo["body_truncated"]) == ("hi", 2, False)


def test_echo_shows_what_arrived(config):
    """Whoever is believed: it is there to find out what a proxy sends."""
    client = create_app(replace(config, trusted_proxies="127.0.0.1")).test_client()
    echo = client.get("/api/echo", headers={"X-Forwarded-For": "1.2.3.4"}).get_json()

    assert ["X-Forwarded-For", "1.2.3.4"] in echo["headers"]


def test_echo_large_body_is_cut(client):
    echo = client.post("/api/echo", data=b"x" * (ECHOED_BYTES + 1)).get_json()

    assert echo["body"] == "x" * ECHOED_BYTES
    assert (echo["body_bytes"], echo["body_truncated"]) == (ECHOED_BYTES + 1, True)


def test_echo_is_valid_utf8(client):
    response = client.post("/api/echo?q=%ff", data=b"\xff\x00", headers={"X-A": "\xe9"})

    response.data.decode()  # strict
    assert response.get_json()["body"] == "\ufffd\x00"


def test_echo_stars_credentials(client):
    names = ("Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "X-Auth-Token")
    headers = dict.fromkeys(names, "geheim") | {"X-Plain": "shown"}
    response = client.get("/api/echo?access_token=geheim", headers=headers)

    assert "geheim" not in response.text
    assert ["Authorization", "***"] in response.get_json()["headers"]
    assert ["X-Plain", "shown"] in response.get_json()["headers"]


@pytest.mark.parametrize("path", ["/", "/api/echo"])
def test_head_is_get_without_body(client, path):
    head, get = client.head(path), client.get(path)

    assert (head.status_code, head.data) == (200, b"")
    assert head.content_type == get.content_type
    assert head.content_length > 0


def test_options_lists_methods(client):
    allowed = client.options("/").headers["Allow"]
    assert set(allowed.split(", ")) == {"GET", "HEAD", "OPTIONS"}

    assert "DELETE" in client.options("/api/echo").headers["Allow"]


def test_echo_is_as_promised(client):
    components = yaml.safe_load(client.get("/openapi.yaml").text)["components"]
    schema = components["schemas"]["Echo"]

    assert schema["required"] == list(schema["properties"])
    OAS31Validator(schema | {"components": components}).validate(client.get("/api/echo").get_json())
