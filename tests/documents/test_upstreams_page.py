"""docs/upstreams.md says what the code does."""

import re
from dataclasses import fields

from prometheus_client.parser import text_string_to_metric_families

from service.chain import DEPTH, MOST_DEPTH, MOST_HOPS
from service.config import Config
from service.upstream import client, deadline, retries
from service.upstream.answer import STATUS_OF
from tests.copying import REPOSITORY

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
