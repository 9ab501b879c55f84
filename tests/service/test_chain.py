import json
import threading
from contextlib import ExitStack, contextmanager

import pytest
from werkzeug.serving import make_server

from service.config import Config
from tests.service.hostile_upstream import HostileUpstream, header, saying
from tests.service.sample import create_app


def hello(name, upstreams="", **settings):
    return create_app(Config(pod_name=name, upstreams=upstreams, **settings))


@contextmanager
def served(app):
    """Serve an app on a free port, and yield its URL."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answering(body, status="200 OK"):
    """Answer every request with JSON."""
    data = json.dumps(body).encode()
    return saying(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n" % (status.encode(), len(data)), data)


@pytest.fixture
def three():
    """Three instances in a row."""
    with ExitStack() as stack:
        last = stack.enter_context(served(hello("c-1")))
        middle = stack.enter_context(served(hello("b-1", last)))
        yield hello("a-1", middle).test_client()


def pods(tree):
    return [tree["pod"], *(pods(hop) for hop in tree["upstreams"])]


def test_the_whole_way_is_one_answer(three):
    tree = three.get("/api/chain").get_json()

    assert pods(tree) == ["a-1", ["b-1", ["c-1"]]]
    first = tree["upstreams"][0]
    assert (tree["upstream"], tree["status"], first["status"]) == (None, 200, 200)
    assert tree["seconds"] >= first["seconds"] >= first["upstreams"][0]["seconds"] >= 0


def test_body_reaches_the_last(three):
    tree = three.post("/api/chain", data=b"x" * 70_000).get_json()

    last = tree["upstreams"][0]["upstreams"][0]
    assert (last["pod"], last["body_bytes"]) == ("c-1", 70_000)


@pytest.mark.parametrize(
    ("depth", "found"), [(0, ["a-1"]), (1, ["a-1", ["b-1"]]), (2, ["a-1", ["b-1", ["c-1"]]])]
)
def test_depth(three, depth, found):
    assert pods(three.get(f"/api/chain?depth={depth}").get_json()) == found


@pytest.mark.parametrize("depth", ["-1", "11", "x", "", "1.5", "9" * 50])
def test_depth_is_bounded(three, depth):
    response = three.get(f"/api/chain?depth={depth}")

    assert (response.status_code, "depth" in response.get_json()["detail"]) == (422, True)


def test_nobody_to_ask():
    tree = hello("a-1").test_client().get("/api/chain?strict").get_json()

    assert (tree["pod"], tree["status"], tree["upstreams"]) == ("a-1", 200, [])


@pytest.fixture
def half():
    """One with two upstreams. Nobody serves one of them."""
    with served(hello("b-1")) as works:
        yield hello("a-1", f"http://127.0.0.1:1,{works}").test_client()


def test_a_failed_branch_is_shown(half):
    response = half.get("/api/chain")
    failed, works = response.get_json()["upstreams"]

    assert response.status_code == 200
    assert (failed["upstream"], failed["pod"], failed["status"], failed["outcome"]) == (
        "127.0.0.1:1",
        None,
        502,
        "connect",
    )
    assert (works["pod"], works["outcome"]) == ("b-1", "ok")


def test_strict_fails_with_it(half):
    response = half.get("/api/chain?strict")

    assert response.status_code == 502
    assert response.content_type == "application/problem+json"
    assert "127.0.0.1:1 (connect)" in response.get_json()["detail"]


def test_strict_looks_at_every_hop():
    with served(hello("b-1", "http://127.0.0.1:1")) as middle:
        client = hello("a-1", middle).test_client()

        assert client.get("/api/chain").status_code == 200
        assert "127.0.0.1:1 (connect)" in client.get("/api/chain?strict").get_json()["detail"]
        assert client.head("/api/chain?strict").status_code == 502


def test_upstreams_are_asked_side_by_side():
    """One that hangs takes no time of the other."""
    with HostileUpstream(lambda *_: True) as hangs, served(hello("c-1")) as works:
        client = hello("a-1", f"{hangs.url},{works}", request_timeout=0.5).test_client()
        first, second = client.get("/api/chain").get_json()["upstreams"]

    assert (first["outcome"], first["status"]) == ("timeout", 504)
    assert (second["outcome"], second["pod"]) == ("ok", "c-1")


def test_spent_budget_asks_nobody():
    with HostileUpstream(answering({})) as upstream:
        client = hello("a-1", upstream.url).test_client()
        response = client.get("/api/chain", headers={"X-Request-Timeout": "0"})

    assert (response.status_code, upstream.heads) == (504, [])


def test_a_loop_ends():
    """A pod that is its own upstream by a name that no setting knows."""
    with HostileUpstream(saying()) as somebody:
        app = hello("a-1", somebody.url, upstream_concurrency=15)
        with served(app) as url:
            looping = hello("b-1", url)
            somebody.answer = lambda sock, head, number: relay(sock, head, looping)
            tree = looping.test_client().get("/api/chain?depth=10").get_json()

    statuses = []
    while tree["upstreams"]:
        (tree,) = tree["upstreams"]
        statuses.append(tree["status"])
    assert statuses[-1] == 508
    assert len(statuses) <= 10


def relay(sock, head, app):
    """Answer for an app."""
    method, path, _ = head.split("\r\n")[0].split(" ")
    headers = {name: header(head, name) for name in ("Via", "X-Request-Timeout")}
    response = app.test_client().open(path, method=method, headers=headers)
    line = f"HTTP/1.1 {response.status}\r\nContent-Length: {len(response.data)}\r\n\r\n"
    sock.sendall(line.encode() + response.data)
    return True


@pytest.mark.parametrize(
    ("via", "status"),
    [
        ("1.1 a", 200),
        (", ".join(["1.1 a"] * 8), 200),
        (", ".join(["1.1 a"] * 9), 508),
        ("1.1 " + "a" * 4000, 508),
    ],
)
def test_hops_are_counted(via, status):
    client = hello("a-1").test_client()
    response = client.get("/api/chain", headers={"Via": via})

    assert response.status_code == status


def test_via_says_whom_it_has_passed():
    with HostileUpstream(answering({})) as upstream:
        client = hello("a, 1", upstream.url).test_client()
        client.get("/api/chain", headers={"Via": "1.1 proxy"})
        client.get("/api/chain")

    assert [header(head, "Via") for head in upstream.heads] == ["1.1 proxy, 1.1 a--1", "1.1 a--1"]


def test_what_came_goes_on():
    with HostileUpstream(answering({})) as upstream:
        client = hello("a-1", upstream.url).test_client()
        client.post(
            "/api/chain?depth=2&strict&a=%26b&a=c", data=b"<a/>", content_type="application/xml"
        )

    (head,) = upstream.heads
    assert head.startswith("POST /api/chain?a=%26b&a=c&depth=1 HTTP/1.1\r\n")
    assert header(head, "Content-Type") == "application/xml"
    assert header(head, "Content-Length") == "4"


LEAF = {
    "upstream": "c",
    "pod": "c-1",
    "status": 200,
    "outcome": "ok",
    "seconds": 0.1,
    "body_bytes": 0,
    "upstreams": [],
}


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        "text",
        {},
        {"upstreams": {}},
        {"upstreams": [None, 1, "a", [], {}]},
        LEAF | {"pod": 1, "status": "x", "seconds": "1", "body_bytes": -1},
        LEAF | {"pod": "a\r\nb", "status": 1e400, "seconds": float("nan"), "outcome": ["ok"]},
        LEAF | {"upstreams": [LEAF | {"secret": "geheim", "outcome": "geheim"}]},
        LEAF | {"upstreams": [LEAF] * 100},
        LEAF | {"upstreams": [LEAF | {"seconds": 10**400, "status": 10**400, "body_bytes": 1e308}]},
    ],
)
def test_what_an_upstream_says_is_not_believed(client, said):
    """Whatever it says, the answer is the one of the contract."""
    with HostileUpstream(answering(said)) as upstream:
        response = hello("a-1", upstream.url).test_client().get("/api/chain")

    assert response.status_code == 200
    assert "geheim" not in response.text
    assert_hop(json.loads(response.text, parse_constant=pytest.fail), 4)


def assert_hop(hop, depth):
    assert depth > 0 and hop.keys() == LEAF.keys()
    assert 100 <= hop["status"] <= 999 and hop["seconds"] >= 0
    assert len(hop["upstreams"]) <= 16
    for each in hop["upstreams"]:
        assert_hop(each, depth - 1)


def test_deep_json_is_no_tree():
    deep = b"[" * 100_000
    answer = saying(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(deep), deep)
    with HostileUpstream(answer) as upstream:
        response = hello("a-1", upstream.url).test_client().get("/api/chain")

    assert (response.status_code, response.get_json()["upstreams"][0]["upstreams"]) == (200, [])
