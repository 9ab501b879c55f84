"""What can be said on the command line."""

import pytest

from . import cluster


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("hellopod")
    group.addoption(
        "--keep-cluster", action="store_true", help="leave the cluster, or the namespace, in place"
    )
    group.addoption(
        "--cluster-name",
        metavar="NAME",
        default=cluster.NAME,
        help="what kind calls the cluster made here (%(default)s); two runs at once need two",
    )
    group.addoption(
        "--context",
        metavar="NAME",
        help="no cluster of its own: a namespace hellopod-e2e-<id> on this kubeconfig context",
    )
    group.addoption(
        "--read-only",
        action="store_true",
        help="with --context: nothing is created, changed or deleted there; the smoke tests alone, "
        "of the hellopod that is deployed in --namespace",
    )
    group.addoption(
        "--namespace", metavar="NAME", help="with --read-only: where it is deployed (hellopod)"
    )
    group.addoption(
        "--url",
        metavar="URL",
        help="no cluster at all: the smoke tests that need nothing but HTTP, of what answers there",
    )
    group.addoption(
        "--image", metavar="REFERENCE", help="deploy this existing image, and build none"
    )
    group.addoption(
        "--screenshots",
        metavar="FOLDER",
        help="where to leave pictures of the page before, during and after a rollout",
    )
    group.addoption("--results", metavar="FILE", help="where to leave what the tests found")
