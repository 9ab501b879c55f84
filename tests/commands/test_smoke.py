"""The smoke tests of tests/e2e against an address, as `pytest tests/e2e --url` runs them."""

import re
import socket
import subprocess
import sys
import threading
from argparse import Namespace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.e2e.prerequisites import missing
from tests.process.balancer import Balancer
from tests.runtime.gunicorn_process import OURS, SAMPLE, Gunicorn

REPOSITORY = Path(__file__).parents[2]
NOWHERE = "no-such-directory"


def smoke(*options):
    """Run the suite where there is no program and no kubeconfig."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "tests/e2e", *options],
        cwd=REPOSITORY,
        env={"PATH": NOWHERE, "KUBECONFIG": NOWHERE, "HOME": NOWHERE},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_needs_nothing_but_http():
    with Gunicorn(*OURS, SAMPLE) as pod:
        run = smoke("--url", f"http://127.0.0.1:{pod.port}/")

    assert run.returncode == 0, run.stdout
    assert "\nwith --url the smoke tests alone: the others deploy, " in run.stdout
    assert re.search(r" 7 passed, 4 skipped, \d+ deselected in ", run.stdout)
    assert {"/version", "/api/identity"} <= {one.get("path") for one in pod.records()}
    assert not [one for one in pod.records() if one.get("path", "").startswith("//")]
    assert len(re.findall(r"^SKIPPED .*: needs the API server, ", run.stdout, re.M)) == 4


def test_metrics_may_be_inside_only():
    with Gunicorn(*OURS, SAMPLE, METRICS_ON_HTTP="false") as pod:
        run = smoke("--url", f"http://127.0.0.1:{pod.port}")

    assert run.returncode == 0, run.stdout
    assert re.search(r"^SKIPPED \[1\] .*METRICS_ON_HTTP is false", run.stdout, re.M)


def test_says_what_is_wrong():
    with (
        Gunicorn(*OURS, SAMPLE, VERSION="1.0.0") as old,
        Gunicorn(*OURS, SAMPLE, VERSION="1.1.0") as new,
        Balancer(old.port, new.port) as balancer,
    ):
        run = smoke("--url", balancer.url)

    assert run.returncode == 1
    assert re.search(r"^FAILED .*::test_one_version_everywhere", run.stdout, re.M)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"url": "localhost:8000"}, "--url='localhost:8000' is not allowed: http:// or https"),
        ({"url": "http://"}, "--url='http://' is not allowed: "),
        ({"url": "http://x/?y"}, "--url='http://x/?y' is not allowed: .* at most a path"),
        ({"url": "http://x", "context": "y"}, "--url is for an address alone: "),
        ({"read_only": True}, "--read-only is for a cluster that is there already: "),
        ({"namespace": "x", "context": "y"}, "--namespace goes with --read-only: "),
        (
            {"read_only": True, "context": "kind-x"},
            r"not on PATH, but needed here: kubectl \(\S+\)$",
        ),
        ({}, "not on PATH, but needed here: kubectl .*, docker .*, kind "),
    ],
)
def test_what_is_missing_is_one_sentence(monkeypatch, given, sentence):
    monkeypatch.setenv("PATH", NOWHERE)
    option = Namespace(**{"url": None, "context": None, "read_only": False, "namespace": None})
    vars(option).update(given)
    said = missing(option)

    assert re.match(sentence.replace("?", r"\?"), said)
    assert "\n" not in said


def test_nobody_answers():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    run = smoke("--url", f"http://127.0.0.1:{port}")

    assert run.returncode == 4
    assert re.fullmatch(f"ERROR: http://127.0.0.1:{port} does not answer: .*\n\n", run.stderr)


def test_somebody_else_answers():
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever).start()
        run = smoke("--url", f"http://127.0.0.1:{other.server_port}")
        other.shutdown()

    assert run.returncode == 4
    assert "answers 501 without X-Pod-Name: that is not " in run.stderr
