import re
from dataclasses import replace

import pytest

from service import create_app


@pytest.fixture
def app(config):
    """With the endpoints of service/api.py: the page is one."""
    return create_app(config)


BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (BROWSER["Accept"], "text/html"),
        ("text/html", "text/html"),
        ("text/html;q=0.5, text/plain;q=0.4", "text/html"),
        ("*/*", "text/plain"),  # curl
        (None, "text/plain"),
        ("", "text/plain"),
        ("text/plain, text/html", "text/plain"),
        ("text/html;q=0", "text/plain"),
        ("application/json", "text/plain"),
        ("text/html;q=x, \xff", "text/plain"),
        ("text/plain;q=0, */*", "text/html"),
        ("text/*, text/plain;q=0.5", "text/html"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_gets_the_page(client, method, accept, media_type):
    headers = {} if accept is None else {"Accept": accept}
    response = client.open("/", method=method, headers=headers)

    assert response.status_code == 200
    assert response.mimetype == media_type
    assert response.vary.as_set() == {"accept"}
    assert bool(response.data) == (method == "GET")
    assert response.content_length > 0


def test_says_who_answered_without_a_script(client):
    page = client.get("/", headers=BROWSER).text

    for text in ("Hello from container hellopod-1!", "test", "node-1", "10.0.0.1", "1.2.3"):
        assert text in page


def test_asks_nobody_else(client):
    page = client.get("/", headers=BROWSER).text

    assert re.findall(r"""(?:src|href|action)=["\']([^"\']*)""", page) == ["data:,", "api/identity"]
    assert re.findall(r"""(?:url\(|@import)\s*["\']?([^"\')]*)""", page) == []


def test_only_its_own_script_and_style_may_run(client):
    first, second = (client.get("/", headers=BROWSER) for _ in range(2))
    policy = first.headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    (nonce,) = set(re.findall(r"'nonce-([\w-]{22})'", policy))
    elements = re.findall(r"<(?:script|style)[^>]*>", first.text)
    assert elements == [f'<style nonce="{nonce}">', f'<script nonce="{nonce}">']
    assert nonce not in second.text
    assert len(first.headers.getlist("Content-Security-Policy")) == 1
    assert first.headers.getlist("Cache-Control") == ["no-store"]
    assert first.headers.getlist("X-Content-Type-Options") == ["nosniff"]


def test_names_are_text(config):
    hostile = replace(config, pod_name="<script>alert(1)</script>", version='"><img src=x>')
    page = create_app(hostile).test_client().get("/", headers=BROWSER).text

    assert "<script>alert" not in page
    assert "<img" not in page


def test_the_chain_is_there_with_upstreams_alone(config, client):
    chained = create_app(replace(config, upstreams="http://hellopod-b")).test_client()

    assert '<ul id="chain"' in chained.get("/", headers=BROWSER).text
    assert '<ul id="chain"' not in client.get("/", headers=BROWSER).text
