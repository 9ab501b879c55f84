"""What holds of any running hellopod. Reads only.

Runs from outside, as a Job beside it, and against one that somebody else has deployed.
"""

import math
import re
from collections.abc import Iterable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from .app import App, Http
from .waiting import eventually

IDENTITY = "/api/identity"
UNLUCKY = 1e-8  # how often a pod may have no turn though all are well


def rounds(pods: int) -> int:
    """Return after how many requests each of the pods, chosen at random, has answered."""
    return math.ceil(math.log(UNLUCKY / pods, 1 - 1 / pods)) if pods > 1 else 1


def answers(http: Http, path: str, pods: Iterable = range(2)) -> list:
    """Ask so often that every pod has its turn."""
    responses = [http.get(path) for _ in range(rounds(len(set(pods))))]
    assert {response.status for response in responses} == {200}
    return responses


def test_pods_ready(app: App) -> None:
    eventually(app.settled, seconds=120)


def test_endpoints_are_ready_pods(app: App) -> None:
    def endpoints_match() -> None:
        assert app.endpoints() == set(app.ready())

    eventually(endpoints_match, seconds=60)


def test_pods_answer_by_name(app: App, http: Http) -> None:
    def names_match() -> None:
        before = set(app.ready())
        answered = {one.headers["X-Pod-Name"] for one in answers(http, IDENTITY, before)}
        assert answered == before == set(app.ready())
        assert len(answered) >= app.least

    eventually(names_match, seconds=60)


def test_identity_equals_api(app: App, http: Http) -> None:
    responses = answers(http, IDENTITY, app.ready())
    identities = {each["pod"]: each for each in (one.json() for one in responses)}

    pods = app.pods()
    assert len(identities) >= app.least
    for name, identity in identities.items():
        pod = pods[name]
        assert identity["namespace"] == pod.metadata.namespace == app.namespace
        assert identity["node"] == pod.spec.node_name
        assert identity["pod_ip"] == pod.status.pod_ip
        assert identity["service_account"] == pod.spec.service_account_name == "hellopod"
        assert identity["draining"] is False


def test_identity_names_answering_pod(http: Http) -> None:
    response = http.get(IDENTITY)

    assert response.json()["pod"] == response.headers["X-Pod-Name"]


def test_one_version_everywhere(http: Http) -> None:
    versions = {
        (one.json()["version"], one.json()["revision"]) for one in answers(http, "/version")
    }

    assert len(versions) == 1


def test_healthz(http: Http) -> None:
    response = http.get("/healthz")

    assert (response.status, response.json()) == (200, {"status": "ok"})


def test_readyz(http: Http) -> None:
    response = http.get("/readyz")

    assert (response.status, response.json()) == (200, {"status": "ready"})


def test_metrics(http: Http, theirs: bool) -> None:
    response = http.get("/metrics")

    if theirs and response.status == 404:
        pytest.skip("not on this port there: METRICS_ON_HTTP is false, as in production")
    assert response.status == 200
    families = text_string_to_metric_families(response.data.decode())
    samples = {sample.name: sample for family in families for sample in family.samples}
    build = samples["hellopod_build_info"]
    assert build.value == 1
    assert build.labels["version"] == http.get("/version").json()["version"]
    assert "process_cpu_seconds_total" in samples


def test_request_id_is_returned(http: Http) -> None:
    asked = http.get(IDENTITY, **{"X-Request-ID": "from.the-test_1"})
    assert asked.headers["X-Request-ID"] == "from.the-test_1"
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", http.get(IDENTITY).headers["X-Request-ID"])


def test_unknown_path(http: Http) -> None:
    response = http.get("/no/such/path")

    assert response.status == 404
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == 404
