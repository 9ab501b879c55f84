"""What Prometheus gets: in a format of its choice, bounded, and cheap."""

import random
import string

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.promtool import promtool
from tests.runtime.gunicorn_process import OURS, SAMPLE, Gunicorn
from tests.runtime.raw import connect, eventually, get

PORTS = pytest.mark.parametrize("port", ["port", "management"])
SPAN = "b7ad6b7169203331"
# What Prometheus 3 sends unless told otherwise.
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.fixture(scope="module")
def server():
    with Gunicorn(*OURS, SAMPLE) as gunicorn:
        yield gunicorn


def ask(port, accept):
    status, headers, body = get(port, "/metrics", f"Accept: {accept}\r\n")
    assert status == 200
    return headers["content-type"].split(";")[0], body.decode()


def samples(families):
    return [sample for family in families for sample in family.samples]


def test_promtool_finds_nothing(scraped, tmp_path):
    assert promtool("check", "metrics", folder=tmp_path, text=scraped) == ""


@PORTS
@pytest.mark.parametrize(
    "accept", [PROMETHEUS, "application/openmetrics-text", "text/plain;q=0.5," + PROMETHEUS]
)
def test_openmetrics_for_who_prefers_it(server, port, accept):
    kind, text = ask(getattr(server, port), accept)

    assert kind == "application/openmetrics-text"
    assert "hellopod_draining" in {family.name for family in parse_openmetrics(text)}


@PORTS
@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/plain," + PROMETHEUS,
        "application/openmetrics-text;q=0",
        "application/openmetrics-text; version=2.0.0",
        "application/openmetrics-text; version=x",
        'application/openmetrics-text; version="',
        "application/openmetrics-text; version=1.0.0; q=x; \xff=,;;=",
    ],
)
def test_text_for_everybody_else(server, port, accept):
    kind, text = ask(getattr(server, port), accept.encode().decode("latin-1"))

    assert kind == "text/plain"
    assert "hellopod_draining" in {family.name for family in parse_text(text)}


def exemplars(server):
    _, text = ask(server.management, PROMETHEUS)
    found = [sample for sample in samples(parse_openmetrics(text)) if sample.exemplar]
    assert {sample.name for sample in found} <= {"hellopod_request_duration_seconds_bucket"}
    return [sample.exemplar.labels for sample in found]


@pytest.mark.parametrize(
    ("name", "traceparent", "wanted"),
    [("4bf9", "00-{}-{}-01", True), ("77aa", "00-{}-{}-00", True), ("dead", "0-{}-{}-01", False)],
)
def test_a_trace_becomes_an_exemplar(server, name, traceparent, wanted):
    trace = name * 8
    header = f"traceparent: {traceparent.format(trace, SPAN)}\r\n"
    before = server_count(server)
    assert get(server.port, "/", header)[0] == 200
    eventually(lambda: server_count(server) == before + 1)

    assert ({"trace_id": trace} in exemplars(server)) is wanted


def server_count(server):
    _, text = ask(server.management, "")
    name = "hellopod_request_duration_seconds_count"
    [count] = [sample.value for sample in samples(parse_text(text)) if sample.name == name]
    return count


def test_random_requests_add_nothing(server):
    """5,000 of them, each with a trace of its own; then both formats have as many samples."""
    choose = random.Random(1)  # noqa: S311
    flood(server, choose, 50)
    before = len(samples(parse_text(ask(server.management, "")[1])))
    for _ in range(100):
        flood(server, choose, 50)

    assert len(samples(parse_text(ask(server.management, "")[1]))) == before < 1000
    assert len(samples(parse_openmetrics(ask(server.management, PROMETHEUS)[1]))) == before


def flood(server, choose, count):
    """Send requests at once on one connection, and wait for the answers."""
    text = b""
    for _ in range(count):
        path = "".join(choose.choices(string.ascii_letters, k=8))
        trace = f"{choose.getrandbits(128) | 1:032x}"
        text += f"GET /{path} HTTP/1.1\r\nHost: a\r\n".encode()
        text += f"traceparent: 00-{trace}-{SPAN}-01\r\n\r\n".encode()
    with connect(server.port) as sock:
        sock.sendall(text)
        answers = b""
        while answers.count(b"HTTP/1.1 404 ") < count:
            piece = sock.recv(65536)
            assert piece, "the connection ended"
            answers += piece
