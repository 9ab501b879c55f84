"""docs/upstreams.md says what the code does."""

import inspect
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import fields

import pytest
from flask import Blueprint
from prometheus_client.parser import text_string_to_metric_families

from service import create_app
from service.chain import DEPTH, MOST_DEPTH, MOST_HOPS
from service.config import Config
from service.upstream import client, deadline, retries
from service.upstream.answer import STATUS_OF
from tests.copying import REPOSITORY
from tests.runtime.raw import eventually
from tests.service.hostile_upstream import HostileUpstream, saying

PAGE = (REPOSITORY / "docs/upstreams.md").read_text()


def rows(first):
    """Return the rows of the table whose head begins with a word."""
    table = PAGE.split(f"\n| {first} |")[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table]


def test_outcomes():
    documented = {name.strip("`"): status for name, status, _ in rows("Outcome")}

    assert documented.pop("ok") == ""
    assert documented == {
        outcome: str(status) for outcome, status in STATUS_OF.items() if outcome != "ok"
    }


def test_metrics(scraped):
    found = {
        family.name + ("_total" if family.type == "counter" else ""): (
            family.type,
            {label for sample in family.samples for label in sample.labels} - {"le"},
        )
        for family in text_string_to_metric_families(scraped)
        if family.name.startswith("hellopod_upstream")
    }

    assert found == {
        name.strip("`"): (kind, set(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels, _ in rows("Name")
    }


def test_settings_are_settings():
    names = {setting.name.upper() for setting in fields(Config)}
    written = set(re.findall(r"`([A-Z][A-Z_]+)`", PAGE)) - {"GET", "POST"}

    assert written <= names
    assert {"UPSTREAMS", "UPSTREAM_CONCURRENCY", "REQUEST_TIMEOUT"} <= written


def test_numbers():
    numbers = {0: "no", 2: "twice", 8: "eight", 10: "ten"}

    assert f"{numbers[retries.MOST_RETRIES]} at most" in PAGE
    assert f"one retry for every {numbers[retries.RetryBudget.PRICE]} calls" in PAGE
    assert f"from 0 to {MOST_DEPTH}; {DEPTH} unless it is said" in PAGE
    assert f"passed more than {numbers[MOST_HOPS]} gets 508" in PAGE
    assert f"a tenth and at most {deadline.LARGEST_MARGIN:g} s" in PAGE
    assert deadline.MARGIN_SHARE == 0.1
    assert f"{client.LARGEST // 2**20} MiB, unless" in PAGE


def test_arguments_of_a_call():
    parameters = inspect.signature(client.Upstream.request).parameters.values()
    keywords = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]

    assert [f"`{name}=`" for name in keywords] == [name for name, _ in rows("Argument")]


# What service/api.py of the guide has anyway, and what this code needs beside it.
IMPORTS = """
from functools import partial
from typing import Any
from flask import Response, jsonify
from service import upstream
"""
CODE = PAGE.split("**Answer with what there is.**")[1].split("```python\n")[1].split("```")[0]


def http(body, status=b"200 OK"):
    return saying(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))


def silence(sock, head, number):
    return True


@contextmanager
def with_what_there_is(prices, stock):
    """Give an app with the handler of the page, and its upstreams."""
    bp = Blueprint("api", __name__)
    exec(IMPORTS + CODE, {"bp": bp})  # noqa: S102
    app = create_app(Config(upstream_concurrency=1), bp)
    with HostileUpstream(prices) as first, HostileUpstream(stock) as second:
        app.extensions["upstreams"].add("prices", first.url)
        app.extensions["upstreams"].add("stock", second.url)
        yield app, first
    app.extensions["closing"].close()


@pytest.mark.parametrize(
    ("prices", "stock", "status", "answer"),
    [
        (http(b"5"), http(b"7"), 200, {"prices": 5, "stock": 7, "missing": []}),
        (http(b"5"), silence, 200, {"prices": 5, "missing": ["stock"]}),
        (http(b"no JSON"), http(b"7"), 200, {"stock": 7, "missing": ["prices"]}),
        (http(b"5", b"401 Unauthorized"), http(b"7"), 200, {"stock": 7, "missing": ["prices"]}),
        (http(b"5", b"404 Not Found"), silence, 502, None),
        (silence, silence, 504, None),
    ],
)
def test_answer_with_what_there_is(prices, stock, status, answer):
    with with_what_there_is(prices, stock) as (app, _):
        response = app.test_client().get("/api/items/a")

    assert response.status_code == status
    assert answer in (None, response.get_json())


def test_a_full_pod_does_not_answer_with_what_there_is():
    with with_what_there_is(silence, http(b"7")) as (app, prices), ThreadPoolExecutor() as threads:
        other = threads.submit(app.test_client().get, "/api/items/a")
        eventually(lambda: prices.heads)
        response = app.test_client().get("/api/items/a")

    assert (response.status_code, other.result().status_code) == (503, 200)
    assert "Retry-After" in response.headers
