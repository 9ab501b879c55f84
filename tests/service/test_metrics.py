import random
import string
from dataclasses import replace

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from service.exporter import VERBS
from service.http1.head import ProtocolError
from tests.service.sample import create_app

STATUSES = {"200", "400", "404", "405", "413"}


def samples(client):
    families = text_string_to_metric_families(client.get("/metrics").text)
    return [sample for family in families for sample in family.samples]


def values(client, name):
    return {frozenset(s.labels.items()): s.value for s in samples(client) if s.name == name}


def test_requests_are_grouped_by_route(client):
    client.get("/api/identity")
    client.get("/api/identity?a=1")

    counts = values(client, "flask_http_request_duration_seconds_count")
    labels = {"method": "GET", "url_rule": "/api/identity", "status": "200"}
    assert counts == {frozenset(labels.items()): 2}


def test_random_traffic_adds_no_series(client):
    """2,000 requests; the seed is fixed so that a failure can be repeated."""
    choose = random.Random(1)  # noqa: S311

    def word():
        return "".join(choose.choices(string.ascii_uppercase, k=8))

    for _ in range(2_000):
        path = choose.choice([f"/{word()}", f"/api/{word()}", "/", "/api/echo", "/version"])
        client.open(path, method=choose.choice([word(), *VERBS]))

    for name in ("flask_http_request_total", "flask_http_request_duration_seconds_count"):
        labels = [dict(label_set) for label_set in values(client, name)]
        assert {label["method"] for label in labels} <= VERBS | {"OTHER"}
        assert {label["status"] for label in labels} <= STATUSES
        rules = {label.get("url_rule") for label in labels} - {None}
        assert rules <= {"/", "/api/echo", "/version", "unmatched"}
        assert sum(values(client, name).values()) == 2_000


def test_scrape_is_bounded_whatever_the_traffic(app, client):
    """Every route with every method and status that it answers with; one crashes, for one route."""
    app.add_url_rule("/boom", view_func=lambda: 1 / 0)
    malformed = {"wsgi.input": Malformed(), "wsgi.input_terminated": True}
    too_large = b"x" * (app.config["MAX_CONTENT_LENGTH"] + 1)
    for rule in app.url_map.iter_rules():
        for method in (*VERBS, "PROPFIND"):
            client.open(rule.rule, method=method)
            client.open(rule.rule, method=method, environ_overrides=malformed)
            client.open(rule.rule, method=method, data=too_large)
            client.open(rule.rule + "/nope", method=method)

    found = {sample.labels.get("status") for sample in samples(client)}
    assert {"200", "400", "404", "405", "413", "500"} <= found
    assert len(samples(client)) <= 900  # the rest of 1,000 is the runtime's


class Malformed:
    """A body that turns out to be none, as chunks can."""

    def read(self, size=-1):
        raise ProtocolError(400, "no chunk")

    readline = readinto = read


def test_probes_and_scrapes_are_no_traffic(client):
    for path in ("/healthz", "/readyz", "/metrics"):
        client.get(path)
        client.post(path)

    assert values(client, "flask_http_request_total") == {}
    assert values(client, "flask_http_request_duration_seconds_count") == {}


def test_build_info(client):
    labels = {"version": "1.2.3", "revision": "abc123"}
    assert values(client, "hellopod_build_info") == {frozenset(labels.items()): 1}


def test_double_slash_is_no_answer_of_its_own(client):
    assert client.get("/api//echo").status_code == 404


def test_metrics_can_stay_inside(config):
    client = create_app(replace(config, metrics_on_http=False)).test_client()

    assert client.get("/metrics").status_code == 404


def test_process_metrics(client):
    assert values(client, "process_resident_memory_bytes")
    assert values(client, "python_info")


def test_openmetrics_on_request(client):
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    response = client.get("/metrics", headers=accept)

    assert response.content_type.startswith("application/openmetrics-text")
    assert {family.name for family in parse_openmetrics(response.text)} >= {"hellopod_build_info"}


def test_exceptions_are_counted(config):
    app = create_app(config)
    app.add_url_rule("/boom", view_func=lambda: 1 / 0)
    client = app.test_client()
    client.get("/boom")

    labels = {"method": "GET", "status": "500"}
    assert values(client, "flask_http_request_exceptions_total") == {frozenset(labels.items()): 1}
    assert values(client, "flask_http_request_total") == {frozenset(labels.items()): 1}
