"""The README and docs/: tables, commands and links are those of the code."""

import re
from dataclasses import MISSING, fields
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from service import create_app
from service.config import Config
from service.version import __version__
from tests.expressions import expressions
from tests.promql import metrics

REPOSITORY = Path(__file__).parents[2]
README = REPOSITORY / "README.md"
DOCS = sorted(REPOSITORY.glob("docs/*.md"))
DOCUMENTS = [README, *DOCS]
TEXT = {str(file.relative_to(REPOSITORY)): file.read_text() for file in DOCUMENTS}
WHOLE = "".join(TEXT.values())
# At the start of a line, in backquotes, or behind a prompt and variables.
MAKE = re.compile(r"(?:^|`|\$ (?:\w+=\S+ )*)make ([a-z0-9-]+)", re.MULTILINE)
# In backquotes, or where a link leads.
PROOF = re.compile(r"(?:`|\]\((?:\.\./)?)((?:\w+/)?tests/[\w/]+\.py)(?:`|\))")


def table(document, heading):
    """Return the rows of the first table below a heading, as lists of cells."""
    section = TEXT[document].split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_endpoints(config):
    """Those of the service itself, whatever they are."""
    if "\n## Endpoints\n" not in TEXT["README.md"]:
        pytest.skip("README.md has no section of endpoints")
    documented = {row[0].strip("`") for row in table("README.md", "Endpoints")}
    app = create_app(config)
    app.extensions["closing"].close()

    assert documented == {rule.rule for rule in app.url_map.iter_rules()}


def test_chaos(chaos_app):
    """Methods and paths; and where an amount is asked for, its cap is named."""
    rows = {tuple(row[0].strip("`").split()): row[1:] for row in table("docs/chaos.md", "Faults")}
    rules = [rule for rule in chaos_app.url_map.iter_rules() if rule.rule.startswith("/chaos/")]

    assert {(method, path.split("?")[0]) for method, path in rows} == {
        ("GET" if "GET" in rule.methods else "POST", rule.rule) for rule in rules
    }
    caps = {"seconds": "CHAOS_MAX_SECONDS", "bytes": "CHAOS_MAX_BYTES", "rate": "CHAOS_MAX_BYTES"}
    for (_, path), (_, most) in rows.items():
        asked = re.findall(r"(\w+)=", path)
        assert {cap for name, cap in caps.items() if name in asked} <= set(re.findall(r"\w+", most))


def test_settings():
    documented = {row[0].strip("`"): row[1:] for row in table("docs/configuration.md", "Settings")}

    assert list(documented) == [setting.name.upper() for setting in fields(Config)]
    for setting in fields(Config):
        default, meaning = documented[setting.name.upper()]
        assert meaning.startswith(setting.metadata["meaning"].split("; default")[0])
        if setting.default is not MISSING and setting.name != "version":
            text = str(setting.default)
            assert default == (text.lower() if isinstance(setting.default, bool) else text)


def test_metrics(scraped):
    """The table and a scrape of the real process, both ways."""
    documented = {row[0].strip("`"): row[1:3] for row in table("docs/observability.md", "Metrics")}
    used = families_of(scraped)
    families = families_of(own_metrics()) | used  # a fork's own are not in the tests' process

    assert documented.keys() == families.keys()
    for name, family in families.items():
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        kind, documented_labels = documented[name]
        assert (name, kind) == (name, family.type)
        if family.samples or name in used:  # one with labels has none before it is used
            assert (name, set(re.findall(r"`(\w+)`", documented_labels))) == (name, labels)


def families_of(text):
    return {metric_name(family): family for family in text_string_to_metric_families(text)}


def own_metrics():
    """Return what the service's own app would be scraped for, before any request."""
    app = create_app()
    try:
        return generate_latest(app.extensions["metrics_registry"]).decode()
    finally:
        app.extensions["closing"].close()


def metric_name(family):
    return family.name + ("_total" if family.type == "counter" else "")


@pytest.mark.parametrize(
    "row", table("docs/observability.md", "Metrics"), ids=lambda row: row[0].strip("`")
)
def test_metric_is_documented(row):
    """Its unit is that of its name, and its users are those that ask for it."""
    name, _, _, unit, meaning, used_by = row
    for wanted in ("seconds", "bytes"):
        assert (unit == wanted) is (wanted in name)
    assert meaning
    documented = [user for user in used_by.split(", ") if user]
    users = users_of(name.strip("`"))
    assert all(any(fnmatch(user, pattern) for pattern in documented) for user in users)
    assert all(any(fnmatch(user, pattern) for user in users) for pattern in documented)


def users_of(name):
    return {user for user, asked in uses() if asked & {name, name + "_bucket"}}


@cache
def uses():
    """Who asks for which metrics; a recorded one stands for those it is made of."""
    recorded = {e.name: metrics(e.expr) for e in expressions() if e.source == "rule"}
    return [
        (
            expression.name if expression.source in ("alert", "autoscaler") else "dashboard",
            set().union(*(recorded.get(name, {name}) for name in metrics(expression.expr))),
        )
        for expression in expressions()
        if expression.source != "rule"
    ]


@pytest.mark.parametrize("target", sorted(set(MAKE.findall(WHOLE))))
def test_make_targets_exist(target):
    assert re.search(rf"^{target}:", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    "path", sorted({row[0].strip("`") for row in table("docs/deploy.md", "Kustomizations")})
)
def test_kustomizations_exist(path):
    assert (REPOSITORY / path / "kustomization.yaml").is_file()


# Not of the guide: it names tests to delete and to write.
PROOFS = set(PROOF.findall(WHOLE.replace(TEXT["docs/your-own-service.md"], "")))


@pytest.mark.parametrize("path", sorted(PROOFS))
def test_proofs_exist(path):
    assert "\ndef test_" in (REPOSITORY / path).read_text()


LINKED = [*DOCUMENTS, *(REPOSITORY / name for name in ("CONTRIBUTING.md", "SECURITY.md"))]


@pytest.mark.parametrize("file", LINKED, ids=lambda file: file.name)
def test_links_lead_somewhere(file):
    """To files that are there, and to headings that are there."""
    links = re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", file.read_text())

    for path, heading in links:
        target = file.parent / path if path else file
        assert target.exists(), path
        assert not heading or heading in headings(target), f"{path}#{heading}"


def headings(file):
    """Return the anchors that GitHub makes of a document's headings."""
    found = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_index_has_every_document():
    linked = re.findall(r"\]\(([\w-]+\.md)\)", TEXT["docs/README.md"])

    assert sorted(linked) == [file.name for file in DOCS if file.name != "README.md"]


def test_every_picture_is_shown():
    pictures = {file.name for file in REPOSITORY.glob("docs/*.png")}

    assert pictures <= set(re.findall(r"!\[[^]]*\]\((?:docs/)?([\w-]+\.png)\)", WHOLE))


@pytest.mark.parametrize("document", TEXT)
def test_images_are_this_version(document):
    assert set(re.findall(r"hellopod:(\d[\w.]*)", TEXT[document])) <= {
        __version__,
        f"{__version__}-otel",
    }


def test_views_can_be_decorated(config):
    [block] = re.findall(r"```python\n(.*?)```", TEXT["docs/observability.md"], re.DOTALL)
    defined = {"__name__": "api"}
    exec(block, defined)  # noqa: S102
    client = create_app(config, defined["bp"]).test_client()

    assert client.get("/api/orders").json == []
    assert "\norders_listed_total 1.0\n" in client.get("/metrics").text


def test_scrape_configuration_is_yaml():
    section = TEXT["docs/observability.md"].split("\n## Scraping\n")[1]
    block = section.split("```")[1].removeprefix("yaml")

    assert yaml.safe_load(block)["scrape_configs"][0]["job_name"] == "pods"
