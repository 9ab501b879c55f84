"""What alerts and the dashboard ask for exists: held against a scrape of the running service."""

import re
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from promql_parser import AggregateExpr, BinaryExpr, MatchOp, VectorSelector, parse

from tests.expressions import expressions
from tests.promql import grouping, labels, metrics, nodes
from tests.promtool import promtool

# What a scrape adds to each sample. PodMonitor and relabelling (docs/observability.md) add what
# Prometheus does not add by itself.
TARGET = {"job", "namespace", "pod", "instance", "app_kubernetes_io_instance"}
INSTANCE = "app_kubernetes_io_instance"
# Not seen in a scrape of ours; names and labels as their documentation has them:
# https://github.com/kubernetes/kube-state-metrics/tree/main/docs/metrics/workload
# https://github.com/google/cadvisor/blob/master/docs/storage/prometheus.md
OF_DEPLOYMENT = {"namespace", "deployment"}
OF_AUTOSCALER = {"namespace", "horizontalpodautoscaler"}
OF_CONTAINER = {"namespace", "pod", "uid", "container"}
KUBE_STATE_METRICS = {
    "kube_deployment_status_replicas_ready": OF_DEPLOYMENT,
    "kube_horizontalpodautoscaler_spec_max_replicas": OF_AUTOSCALER,
    "kube_horizontalpodautoscaler_spec_min_replicas": OF_AUTOSCALER,
    "kube_horizontalpodautoscaler_status_current_replicas": OF_AUTOSCALER,
    "kube_horizontalpodautoscaler_status_desired_replicas": OF_AUTOSCALER,
    "kube_pod_container_resource_limits": OF_CONTAINER | {"node", "resource", "unit"},
    "kube_pod_container_resource_requests": OF_CONTAINER | {"node", "resource", "unit"},
    "kube_pod_container_status_restarts_total": OF_CONTAINER,
    "kube_pod_container_status_waiting_reason": OF_CONTAINER | {"reason"},
}
OF_CGROUP = {"namespace", "pod", "container", "id", "image", "name"}
CADVISOR = {
    "container_cpu_usage_seconds_total": OF_CGROUP | {"cpu"},
    "container_memory_working_set_bytes": OF_CGROUP,
}
OUTSIDE = KUBE_STATE_METRICS | CADVISOR


ALL = list(expressions())
every_expression = pytest.mark.parametrize(
    "expression", ALL, ids=lambda expression: f"{expression.source} {expression.name}"
)


@pytest.fixture(scope="module")
def samples(scraped):
    families = text_string_to_metric_families(scraped)
    return [sample for family in families for sample in family.samples]


@pytest.fixture(scope="module")
def known(samples):
    """The labels of each metric."""
    found = {"up": TARGET, **OUTSIDE}
    for sample in samples:
        found[sample.name] = found.get(sample.name, TARGET) | set(sample.labels)
    for expression in ALL:
        if expression.source == "rule":
            found[expression.name] = labels(parse(expression.expr), found)
    return found


def test_syntax(tmp_path):
    """As Prometheus itself reads it."""
    rules = [{"record": f"expression:{n}", "expr": e.expr} for n, e in enumerate(ALL)]
    file = {"groups": [{"name": "all", "rules": rules}]}
    (tmp_path / "all.yaml").write_text(yaml.safe_dump(file))

    assert f"{len(ALL)} rules found" in promtool("check", "rules", "all.yaml", folder=tmp_path)


@every_expression
def test_metrics_and_labels_exist(expression, known):
    for selector in nodes(parse(expression.expr), VectorSelector):
        assert selector.name in known
        assert {matcher.name for matcher in selector.matchers.matchers} <= known[selector.name]


@every_expression
def test_grouped_by_what_is_there(expression, known):
    for node in nodes(parse(expression.expr), AggregateExpr | BinaryExpr):
        below = [known[selector.name] for selector in nodes(node, VectorSelector)]
        assert (grouping(node) or set()) <= set().union(*below)


@every_expression
def test_text_names_labels_of_the_result(expression, known):
    named = set(re.findall(r"{{ *(?:\$labels\.)?(\w+) *}}", expression.text))

    assert named <= labels(parse(expression.expr), known)


@every_expression
def test_matchers_find_samples(expression, samples):
    """Labels that we set ourselves have the values that are asked for, at least once."""
    for selector in nodes(parse(expression.expr), VectorSelector):
        matchers = [m for m in selector.matchers.matchers if m.name not in TARGET]
        if selector.name not in OUTSIDE and matchers:
            found = [sample.labels for sample in samples if sample.name == selector.name]
            assert any(all(fits(m, label_set[m.name]) for m in matchers) for label_set in found)


def fits(matcher, value):
    found = re.fullmatch(
        matcher.value if matcher.op in (MatchOp.Re, MatchOp.NotRe) else re.escape(matcher.value),
        value,
    )
    return bool(found) is (matcher.op in (MatchOp.Re, MatchOp.Equal))


@every_expression
def test_only_this_deployment_is_asked_for(expression):
    """One Prometheus may scrape many services with the same names of metrics."""
    for selector in nodes(parse(expression.expr), VectorSelector):
        asked = {m.name: m.value for m in selector.matchers.matchers}
        recorded = selector.name.startswith("namespace:")
        names = ("job", "container", "deployment", "horizontalpodautoscaler")
        ours = {"hellopod", "(.+-)?hellopod", "hellopod(-hellopod)?"}
        assert recorded or ours & {asked.get(name) for name in names}


@every_expression
def test_instances_are_told_apart(expression):
    """Those of a panel are of one instance, and an alert's result says which it is about."""
    if expression.source in ("panel", "annotation") or expression.name == "pod":
        for selector in nodes(parse(expression.expr), VectorSelector):
            asked = {(m.name, m.value) for m in selector.matchers.matchers}
            assert asked & {
                (INSTANCE, "hellopod"),
                ("pod", "hellopod-.+"),
                ("deployment", "hellopod(-hellopod)?"),
                ("horizontalpodautoscaler", "hellopod(-hellopod)?"),
            }
    elif expression.source in ("alert", "rule"):
        by = {INSTANCE, "pod", "deployment", "horizontalpodautoscaler"}
        assert all(
            grouping(node) & by
            for node in nodes(parse(expression.expr), AggregateExpr | BinaryExpr)
            if grouping(node)
        )


@every_expression
def test_other_sources_stand_apart(expression):
    assert expression.needs_outside is bool(metrics(expression.expr) & OUTSIDE.keys())


def test_nothing_else_is_expected_of_others():
    assert set().union(*(metrics(expression.expr) for expression in ALL)) >= OUTSIDE.keys()


@pytest.mark.parametrize("file", ["alerts.yaml", "panels.yaml"])
def test_evaluated_series_are_named_as_theirs(file):
    """What `promtool test rules` gets has the labels that they give, and those of a scrape."""
    tests = yaml.safe_load(Path(__file__).with_name(file).read_text())["tests"]
    given = [parse(one["series"]) for test in tests for one in test["input_series"]]
    theirs = [series for series in given if series.name.startswith(("kube_", "container_"))]

    assert theirs
    for series in theirs:
        names = {matcher.name for matcher in series.matchers.matchers} - {"job", "instance"}
        expected = OUTSIDE[series.name]
        # A group of processes that is no container's has neither an image nor a name.
        assert names in (expected, expected - {"container", "image", "name"}), series
