"""The shipped expressions mean something to a real Prometheus, and the alerts go off in it."""

import math
import re

import pytest
from expressions import Expression, expressions  # tests/expressions.py

from . import variant
from .app import App
from .cluster import Cluster
from .generator import Generator
from .prometheus import Prometheus
from .waiting import eventually

SECONDS = 20  # of load: enough scrapes for every rate
# A tenth of the requests are errors; those that wait are three times as many as two pods can serve.
STREAMS = [
    {"rate": 15, "requests": [["GET", "/chaos/status/500"]]},
    {"rate": 35, "requests": [["GET", "/version"], ["POST", "/api/chain"]]},
    {"rate": 96, "requests": [["GET", "/chaos/wait?seconds=1"]]},
]
# What is compared with a number is asked for without: a threshold hides whether there is data.
THRESHOLD = re.compile(r"\s*(>|==)\s*[0-9][0-9. *]*")
# These say something only when it happens: no pod; a container that waits for its next start;
# the autoscaler at its maximum.
EMPTY = {"HellopodDown"}
EMPTY_STATES = {"HellopodCrashLoops", "HellopodAutoscalerAtMaximum"}
OF_CALLS = re.compile(r"\bhellopod_upstream_\w+")
FROM_STATES = re.compile(r"\bkube_\w+")
FROM_KUBELETS = re.compile(r"\bcontainer_\w+")


@pytest.fixture(scope="module", autouse=True)
def loaded(
    app: App, cluster: Cluster, prometheus: Prometheus, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Deploy endpoints that fail and wait, see that all is well, and have them fail and be full."""
    variant.deploy(app, cluster, tmp_path_factory.mktemp("variant"), variant.Variant())
    prometheus.wait_for_scrape()

    def nobody_is_alarmed() -> None:
        assert not prometheus.alerts()

    eventually(nobody_is_alarmed, seconds=30)
    load = Generator(app, cluster).run(app.address(), 80, SECONDS, streams=STREAMS)
    assert load.count("shed") and load.count("status 500"), load.streams
    prometheus.wait_for_scrape()


def test_errors_raise_an_alert(prometheus: Prometheus) -> None:
    def the_budget_burns() -> None:
        assert prometheus.alerts().get("HellopodErrorBudgetBurnsFast") == "firing"

    eventually(the_budget_burns, seconds=30)


def test_shedding_raises_an_alert(prometheus: Prometheus) -> None:
    def somebody_is_about_to_be_told() -> None:
        # Pending is how it begins: it fires after 5 minutes.
        assert prometheus.alerts().get("HellopodSheds") in ("pending", "firing")

    eventually(somebody_is_about_to_be_told, seconds=30)


def test_no_other_alert(prometheus: Prometheus) -> None:
    expected = {"HellopodErrorBudgetBurnsFast", "HellopodErrorBudgetBurns"}
    expected |= {"HellopodErrorBudgetLeaks", "HellopodSheds", "HellopodSlow", "HellopodSaturated"}

    assert set(prometheus.alerts()) <= expected


def test_expressions_have_data(app: App, cluster: Cluster, prometheus: Prometheus) -> None:
    # What kubelets measure needs a right over all nodes. Only the cluster's owner can give it.
    asked = [
        one
        for one in expressions(namespace=app.namespace)
        if not FROM_STATES.search(one.expr)
        and (cluster.kind_name or not FROM_KUBELETS.search(one.expr))
    ]

    # A service may call none, or others that no test has called.
    of_calls = {one.name for one in asked if OF_CALLS.search(one.expr)}

    def only_these_are_empty() -> None:
        assert empty(prometheus, asked) - of_calls == EMPTY

    eventually(only_these_are_empty, seconds=60)


@pytest.mark.needs("kube-state-metrics")
def test_expressions_of_kube_state_metrics_have_data(app: App, prometheus: Prometheus) -> None:
    asked = [one for one in expressions(namespace=app.namespace) if FROM_STATES.search(one.expr)]

    def only_these_are_empty() -> None:
        assert empty(prometheus, asked) == EMPTY_STATES

    eventually(only_these_are_empty, seconds=60)


def empty(prometheus: Prometheus, asked: list[Expression]) -> set[str]:
    """Return the names of those without data."""
    found = set()
    for one in asked:
        prometheus.query(one.expr)
        values = prometheus.query(THRESHOLD.sub("", one.expr))
        if all(math.isnan(float(series["value"][1])) for series in values):
            found.add(one.name)
    return found
