import gzip
import socket
import ssl
import threading
import time

import pytest
from flask import jsonify
from werkzeug.exceptions import NotFound

from service import upstream
from service.config import Config
from service.state import Stage
from service.upstream import UpstreamFailed
from service.upstream.names import Names
from service.upstream.retries import LONGEST_RETRY_AFTER, RetryBudget, retry_after
from service.upstream.sockets import ATTEMPT, Attempt, connect
from tests.runtime.certificates import AUTHORITY, issue
from tests.runtime.raw import eventually
from tests.service.hostile_upstream import OK, HostileUpstream, full_backlog, header, reset, saying
from tests.service.sample import create_app

SOON = 3.0  # seconds: many times what an answer takes whose budget is BUDGET
BUDGET = 0.4  # seconds
PLENTY = 20.0  # seconds: where no call is to run out of time, also on a busy machine


def app_for(url, budget=PLENTY, **settings):
    return create_app(Config(pod_name="a-1", upstreams=url, request_timeout=budget, **settings))


def name_of(url):
    return url.partition("://")[2]


def ask(app, url, method="GET", path="/", headers=None, **options):
    """Call an upstream for a request with these headers."""
    with app.test_request_context(headers=headers, environ_overrides=arrived()):
        return upstream.named(name_of(url)).request(method, path, **options)


def arrived():
    return {"hellopod.arrived": time.monotonic(), "hellopod.request_id": "id-1"}


def outcome_of(app, url, *args, **options):
    try:
        return ask(app, url, *args, **options).status
    except UpstreamFailed as failed:
        return failed.outcome


def value(app, name, url, **labels):
    labels = {"upstream": name_of(url), **labels}
    return app.extensions["metrics_registry"].get_sample_value(f"hellopod_upstream_{name}", labels)


def hang(sock, head, number):
    return True


def drip(sock, head, number):
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        sock.sendall(b"x")
        time.sleep(0.02)


def drip_head(sock, head, number):
    sock.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        sock.sendall(b"A")
        time.sleep(0.02)


def reset_midway(sock, head, number):
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
    time.sleep(0.05)
    reset(sock)


def close_after(data):
    def answer(sock, head, number):
        sock.sendall(data)
        return False

    return answer


def a_gigabyte(sock, head, number):
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % 2**30)
    while True:
        sock.sendall(b"x" * 65536)


def an_endless_one(sock, head, number):
    sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        sock.sendall(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")


BOMB = gzip.compress(bytes(50 * 2**20))


def a_bomb(sock, head, number):
    data = BOMB
    sock.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(data)
    )
    sock.sendall(data)
    return True


def endless_continue(sock, head, number):
    while True:
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.01)


HOSTILE = {
    "hangs": (hang, "timeout", 504),
    "drips": (drip, "timeout", 504),
    "drips its head": (drip_head, "timeout", 504),
    "continues for ever": (endless_continue, "timeout", 504),
    "resets at once": (lambda sock, *_: reset(sock), "broken", 502),
    "resets midway": (reset_midway, "broken", 502),
    "closes at once": (close_after(b""), "broken", 502),
    "half a head": (close_after(b"HTTP/1.1 200 OK\r\nContent-Le"), "broken", 502),
    "too short": (
        close_after(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
        "broken",
        502,
    ),
    "nothing of it": (close_after(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), "broken", 502),
    "half a chunk": (
        close_after(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf"),
        "broken",
        502,
    ),
    "no chunk": (
        close_after(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhalf"),
        "broken",
        502,
    ),
    "no HTTP": (close_after(b"SSH-2.0-OpenSSH_9.6\r\n"), "broken", 502),
    "bytes": (close_after(bytes(range(256)) * 300), "broken", 502),
    "no gzip": (
        saying(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nhalf"),
        "broken",
        502,
    ),
    "a protocol of its own": (
        saying(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\n\r\n"),
        "broken",
        502,
    ),
    "a gigabyte": (a_gigabyte, "too_large", 502),
    "a gigabyte, it says": (
        saying(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % 2**30),
        "too_large",
        502,
    ),
    "without an end": (an_endless_one, "too_large", 502),
    "a bomb": (a_bomb, "too_large", 502),
    "500": (saying(b"HTTP/1.1 500 A\r\nContent-Length: 6\r\n\r\ngeheim"), "error", 502),
    "504": (saying(b"HTTP/1.1 504 A\r\nContent-Length: 6\r\n\r\ngeheim"), "error", 504),
    "503": (saying(b"HTTP/1.1 503 A\r\nContent-Length: 6\r\n\r\ngeheim"), "unavailable", 503),
    "429": (saying(b"HTTP/1.1 429 A\r\nContent-Length: 6\r\n\r\ngeheim"), "unavailable", 503),
    "a redirect": (
        saying(b"HTTP/1.1 302 A\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
        "redirect",
        502,
    ),
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_upstream(case, method):
    """The client gets a problem within the budget that names the upstream, without its text."""
    answer, outcome, status = HOSTILE[case]
    with HostileUpstream(answer) as hostile:
        app = app_for(hostile.url, BUDGET if outcome == "timeout" else PLENTY)

        @app.route("/call", methods=[method])
        def call():
            return jsonify(upstream.named(name_of(hostile.url)).request(method, "/").json())

        began = time.monotonic()
        response = app.test_client().open("/call", method=method)
        took = time.monotonic() - began

    assert (response.status_code, response.content_type) == (status, "application/problem+json")
    detail = response.get_json()["detail"]
    assert name_of(hostile.url) in detail and "geheim" not in detail
    assert value(app, "requests_total", hostile.url, outcome=outcome) == 1
    assert value(app, "requests_in_flight", hostile.url) == 0
    assert took < SOON
    assert len(hostile.heads) == 1  # a first call has no retry to spend


def test_nobody_listens():
    app = app_for("http://127.0.0.1:1")

    assert outcome_of(app, "http://127.0.0.1:1") == "connect"


def test_no_such_name():
    app = app_for("http://nowhere.invalid", BUDGET)

    assert outcome_of(app, "http://nowhere.invalid") in ("connect", "timeout")


@pytest.fixture
def full():
    with full_backlog() as port:
        yield port


def test_nobody_accepts(full):
    url = f"http://127.0.0.1:{full}"
    began = time.monotonic()

    assert outcome_of(app_for(url, BUDGET), url) == "timeout"

    assert BUDGET <= time.monotonic() - began < SOON


class SlowNames(Names):
    """Looks up names as a resolver does after a lost packet; knows when it was done."""

    def addresses(self, host, port, seconds):
        time.sleep(0.3)
        self.done = time.monotonic()
        return super().addresses(host, port, seconds)


def test_slow_name_takes_nothing_from_the_connection(full):
    names = SlowNames()
    before = ATTEMPT.set(Attempt(time.monotonic() + 60))
    try:
        with pytest.raises(TimeoutError):
            connect(names, "127.0.0.1", full, seconds=0.2)
    finally:
        ATTEMPT.reset(before)

    assert time.monotonic() - names.done >= 0.19


def test_another_address_serves_where_one_is_silent(full, flaky):
    """Also where there is no socket of its family."""

    class Several(Names):
        def addresses(self, host, port, seconds):
            [silent] = super().addresses("127.0.0.1", full, seconds)
            [there] = super().addresses("127.0.0.1", flaky.port, seconds)
            return [(9999, *silent[1:]), silent, there]

    before = ATTEMPT.set(Attempt(time.monotonic() + 60))
    try:
        with connect(Several(), "several", 80, seconds=60) as sock:
            assert sock.getpeername() == ("127.0.0.1", flaky.port)
    finally:
        ATTEMPT.reset(before)


def test_new_connection_with_tls_is_no_kept_one(tmp_path, monkeypatch):
    """What breaks on it may have been served: no repetition beside the retry budget."""
    AUTHORITY.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issue().configure_cert(context)

    def answer(sock, head, number):
        if number == 1:
            sock.sendall(OK)
        return False

    with HostileUpstream(answer, context) as other:
        app = app_for(other.url)
        assert ask(app, other.url).body == b"hi"
        time.sleep(0.1)
        assert outcome_of(app, other.url) == "broken"
        assert len(other.heads) == 2


def test_no_tls():
    with socket.create_server(("127.0.0.1", 0)) as plain:
        url = f"https://127.0.0.1:{plain.getsockname()[1]}"
        threading.Thread(target=greet, args=(plain,)).start()
        assert outcome_of(app_for(url), url) == "connect"


def greet(server):
    """Speak first, as what is no web server does."""
    sock, _ = server.accept()
    with sock:
        sock.sendall(b"220 mail.example.com ESMTP\r\n")
        sock.recv(65536)


def test_tls_that_hangs():
    """It accepts, and says nothing: the handshake ends by the deadline, too."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        assert outcome_of(app_for(url, BUDGET), url) == "timeout"
        assert time.monotonic() - began < SOON


def test_answer():
    data = b"HTTP/1.1 404 A\r\nX-One: a\r\nX-One: b\r\nContent-Length: 2\r\n\r\n{}"
    with HostileUpstream(saying(data)) as other:
        answer = ask(app_for(other.url), other.url)

    assert (answer.status, answer.body, answer.json()) == (404, b"{}", {})
    assert answer.headers["x-one"] == "a, b"


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_answers_without_a_body(method):
    status = b"200" if method == "HEAD" else b"304"
    data = b"HTTP/1.1 %b A\r\nContent-Length: 99999999\r\n\r\n" % status
    with HostileUpstream(saying(data)) as other:
        app = app_for(other.url)
        assert [ask(app, other.url, method).body for _ in range(3)] == [b""] * 3


def test_largest_answer_is_up_to_the_call():
    with HostileUpstream(saying(OK)) as other:
        app = app_for(other.url)
        assert ask(app, other.url, largest=2).body == b"hi"
        assert outcome_of(app, other.url, largest=1) == "too_large"


def test_connections_are_kept():
    with HostileUpstream(saying(OK)) as other:
        app = app_for(other.url)
        for _ in range(5):
            ask(app, other.url)

    assert (len(other.heads), other.connections) == (5, 1)


def test_surplus_is_no_part_of_the_next_answer():
    with HostileUpstream(
        saying(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
    ) as lies:
        app = app_for(lies.url)
        assert {ask(app, lies.url).body for _ in range(5)} == {b"hi"}


def test_connection_closed_at_rest():
    def answer(sock, head, number):
        sock.sendall(OK)
        time.sleep(0.05)
        return False

    with HostileUpstream(answer) as other:
        app = app_for(other.url)
        for _ in range(5):
            assert ask(app, other.url).body == b"hi"
            time.sleep(0.1)


@pytest.mark.parametrize("end", [lambda sock: None, reset], ids=["closed", "reset"])
def test_connection_closed_with_the_next_request_on_its_way(end):
    """It is asked for once more, over a new connection."""

    def answer(sock, head, number):
        if sock in answered:
            end(sock)
            return False
        answered.add(sock)
        sock.sendall(OK)
        return True

    answered = set()
    with HostileUpstream(answer) as other:
        app = app_for(other.url)
        assert [ask(app, other.url).body for _ in range(3)] == [b"hi"] * 3
        assert value(app, "retries_total", other.url) == 0


def test_what_must_not_be_repeated_gets_a_new_connection():
    with HostileUpstream(saying(OK)) as other:
        app = app_for(other.url)
        assert [ask(app, other.url, "POST").body for _ in range(3)] == [b"hi"] * 3

    assert (len(other.heads), other.connections) == (3, 3)


def test_broken_upstream_is_not_asked_twice_for_each_call():
    """One that answers the first request of each connection only looks as if it had restarted."""

    def answer(sock, head, number):
        sock.sendall(OK)
        read = sock.recv(65536)
        other.heads.append(read.decode())
        return False

    with HostileUpstream(answer) as other:
        app = app_for(other.url)
        for _ in range(30):
            ask(app, other.url)

    assert len([head for head in other.heads if head]) <= 33


def test_budget_of_retries():
    budget = RetryBudget()
    granted = 0
    for _ in range(1000):
        budget.deposit()
        granted += budget.withdraw()

    assert granted == 100
    for _ in range(1000):
        budget.deposit()
    assert sum(budget.withdraw() for _ in range(1000)) == 10


def fail_every(count):
    """Fail the first try of every so many requests, before a byte."""

    def answer(sock, head, number):
        if number % count == 0:
            return False
        sock.sendall(OK + b"")
        return False

    return answer


def failing_first(sock, head, number):
    return False


def primed(app, url, calls=20):
    """Let an upstream earn retries."""
    for _ in range(calls):
        assert outcome_of(app, url) == 200


@pytest.fixture
def flaky():
    """Works until it is told to end connections before a byte."""
    with HostileUpstream(close_after(OK)) as other:
        yield other


def test_a_retry_helps(flaky):
    app = app_for(flaky.url)
    primed(app, flaky.url)
    flaky.answer = lambda sock, head, number: number > 21 and bool(sock.sendall(OK))

    assert outcome_of(app, flaky.url) == 200
    assert value(app, "retries_total", flaky.url) == 1


def test_retries_are_a_tenth(flaky):
    app = app_for(flaky.url)
    flaky.answer = failing_first
    assert {outcome_of(app, flaky.url) for _ in range(100)} == {"broken"}

    assert 100 < len(flaky.heads) <= 110


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_is_not_idempotent_is_not_repeated(flaky, method):
    app = app_for(flaky.url)
    primed(app, flaky.url)
    flaky.answer = failing_first

    assert outcome_of(app, flaky.url, method) == "broken"
    assert len(flaky.heads) == 21


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_was_never_sent_may_be_sent_again(flaky, method):
    app = app_for(flaky.url)
    primed(app, flaky.url)
    flaky.server.shutdown(socket.SHUT_RDWR)  # refuses connections from now on

    assert outcome_of(app, flaky.url, method) == "connect"
    assert value(app, "retries_total", flaky.url) == 2


@pytest.mark.parametrize("data", [b"H", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
def test_no_retry_behind_the_first_byte(flaky, data):
    app = app_for(flaky.url)
    primed(app, flaky.url)
    flaky.answer = close_after(data)

    assert outcome_of(app, flaky.url) == "broken"
    assert len(flaky.heads) == 21


def test_no_retry_while_draining(flaky):
    app = app_for(flaky.url)
    primed(app, flaky.url)
    flaky.answer = failing_first
    app.extensions["pod_state"].stage = Stage.DRAINING

    assert outcome_of(app, flaky.url) == "broken"
    assert len(flaky.heads) == 21


def test_no_retry_in_an_overload(flaky):
    app = app_for(flaky.url)
    primed(app, flaky.url)
    flaky.answer = failing_first
    app.extensions["upstreams"].calling.is_overloaded = lambda: True

    assert outcome_of(app, flaky.url) == "broken"
    assert len(flaky.heads) == 21


def test_retry_after_is_passed_on_and_honoured(flaky):
    app = app_for(flaky.url)
    primed(app, flaky.url)
    flaky.answer = close_after(
        b"HTTP/1.1 503 A\r\nRetry-After: 7\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    with pytest.raises(UpstreamFailed) as failed:
        ask(app, flaky.url)
    assert dict(failed.value.get_headers())["Retry-After"] == "7"
    flaky.answer = failing_first

    assert outcome_of(app, flaky.url) == "broken"
    assert len(flaky.heads) == 22


def test_bulkhead():
    """As many calls as may hang; the next one fails at once."""
    over = threading.Event()

    def hang_until_over(sock, head, number):
        return over.wait(PLENTY) and sock.sendall(OK)

    with HostileUpstream(hang_until_over) as other:
        app = app_for(other.url, upstream_concurrency=2)
        hanging = [threading.Thread(target=outcome_of, args=(app, other.url)) for _ in range(2)]
        for thread in hanging:
            thread.start()
        eventually(lambda: len(other.heads) == 2)
        assert value(app, "requests_in_flight", other.url) == 2
        with pytest.raises(UpstreamFailed) as failed:
            ask(app, other.url)
        assert failed.value.code == 503
        assert 1 <= int(dict(failed.value.get_headers())["Retry-After"]) <= 3
        assert len(other.heads) == 2
        over.set()
        for thread in hanging:
            thread.join()
        other.answer = saying(OK)
        assert outcome_of(app, other.url) == 200


@pytest.mark.parametrize(
    ("given", "least", "most"),
    [
        (None, 15, PLENTY),
        ("0.9", 0, 0.9),
        ("9.5", 5, 9.5),
        ("1000000", 25, 30),  # no more than GRACEFUL_TIMEOUT
        ("-1", 15, PLENTY),  # what is malformed counts as absent
        ("nan", 15, PLENTY),
        ("1e3", 15, PLENTY),
        ("inf", 15, PLENTY),
        ("1, 2", 15, PLENTY),
        ("9" * 400, 15, PLENTY),
        ("", 15, PLENTY),
    ],
)
def test_budget_is_passed_on_lessened(given, least, most):
    headers = {} if given is None else {"X-Request-Timeout": given}
    with HostileUpstream(saying(OK)) as other:
        ask(app_for(other.url), other.url, headers=headers)

    assert least < float(header(other.heads[0], "X-Request-Timeout")) < most


@pytest.mark.parametrize("given", ["0", "0.0", "0.0001"])
def test_spent_budget(given):
    with HostileUpstream(saying(OK)) as other:
        app = app_for(other.url)
        with pytest.raises(UpstreamFailed) as failed:
            ask(app, other.url, headers={"X-Request-Timeout": given})

    assert (failed.value.code, other.heads) == (504, [])
    assert value(app, "requests_total", other.url, outcome="expired") == 1


def test_budget_is_one_for_all_calls_of_a_request():
    with HostileUpstream(hang) as hanging:
        app = app_for(hanging.url, BUDGET)
        with app.test_request_context(environ_overrides=arrived()):
            service = upstream.named(name_of(hanging.url))
            for expected in ("timeout", "expired", "expired"):
                with pytest.raises(UpstreamFailed) as failed:
                    service.request("GET", "/")
                assert failed.value.outcome == expected


def test_timeout_of_a_call():
    with HostileUpstream(hang) as hanging:
        app = app_for(hanging.url)
        began = time.monotonic()
        headers = {"X-Request-Timeout": "20"}
        assert outcome_of(app, hanging.url, headers=headers, timeout=0.1) == "timeout"
        assert time.monotonic() - began < SOON


def test_outside_a_request():
    with HostileUpstream(saying(OK)) as other:
        app = app_for(other.url)
        service = app.extensions["upstreams"].named(name_of(other.url))

        assert service.request("GET", "/").body == b"hi"


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_context_goes_on():
    given = {"traceparent": TRACE, "tracestate": "a=b", "baggage": "c=d", "X-Request-ID": "mine"}
    with HostileUpstream(saying(OK)) as other:
        app = app_for(other.url)
        app.add_url_rule("/call", view_func=lambda: ask_here(other.url))
        app.test_client().get("/call", headers=given)

    assert {name: header(other.heads[0], name) for name in given} == given


def ask_here(url):
    return upstream.named(name_of(url)).request("GET", "/").body


def test_token_does_not_go_on():
    with HostileUpstream(saying(OK)) as other:
        app = app_for(other.url, **{"chaos_token": "a-token-of-16-chars"})
        app.add_url_rule("/call", view_func=lambda: ask_here(other.url))
        given = {
            "traceparent": TRACE,
            "tracestate": "a=A-token-of-16-chars",
            "baggage": "t=a-token-of-16-chars",
        }
        app.test_client().get("/call", headers=given)

    assert "token-of-16" not in other.heads[0].lower()


def test_proxies_of_the_environment_are_not_asked(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with HostileUpstream(saying(OK)) as other:
        assert outcome_of(app_for(other.url), other.url) == 200


def test_json():
    with HostileUpstream(saying(OK)) as other:
        app = app_for(other.url)
        ask(app, other.url, "POST", json={"a": 1})
        with pytest.raises(UpstreamFailed) as failed:
            ask(app, other.url).json()

    assert header(other.heads[0], "Content-Type") == "application/json"
    assert failed.value.code == 502


@pytest.mark.parametrize("body", [b"NaN", b'{"a": Infinity}', b"[-Infinity]", b"{", b"[" * 100_000])
def test_what_is_no_json_is_a_failure_of_the_upstream(body):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    with HostileUpstream(saying(head + body)) as other:
        answer = ask(app_for(other.url), other.url)

    with pytest.raises(UpstreamFailed, match="answered what is not JSON"):
        answer.json()


def test_calls_side_by_side_belong_to_their_request():
    """The first that hangs takes no time of the others, and each has id and deadline."""
    with HostileUpstream(hang) as hangs, HostileUpstream(saying(OK)) as works:
        app = app_for(f"{hangs.url},{works.url}", budget=1.0)

        def call(url):
            try:
                return upstream.named(name_of(url)).request("GET", "/").status
            except UpstreamFailed as failed:
                return failed.outcome

        with app.test_request_context(environ_overrides=arrived()):
            urls = (hangs.url, works.url, works.url)
            found = upstream.side_by_side([lambda url=url: call(url) for url in urls])
            assert upstream.side_by_side([]) == []
            with pytest.raises(KeyError):  # and not what the other raises
                upstream.side_by_side([lambda: 1, lambda: {}["a"], lambda: 1 / 0])
            with pytest.raises(KeyError):
                upstream.side_by_side([lambda: {}["a"], lambda: 1 / 0])

    assert found == ["timeout", 200, 200]
    assert [header(head, "X-Request-ID") for head in works.heads] == ["id-1"] * 2
    assert all(float(header(head, "X-Request-Timeout")) <= 1 for head in works.heads)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("a b", "a%20b"),
        ("a/../b", "a%2F..%2Fb"),
        ("%2e", "%252e"),
        ("...", "..."),
        ("ü?", "%C3%BC%3F"),
    ],
)
def test_what_a_client_sent_stays_one_segment(text, quoted):
    assert upstream.segment(text) == quoted


@pytest.mark.parametrize("text", ["", ".", "..", "\ud800", "a\udfff"])
def test_a_segment_that_names_another_path_is_not_found(text):
    with pytest.raises(NotFound):
        upstream.segment(text)


def test_base_path():
    with HostileUpstream(saying(OK)) as other:
        ask(app_for(f"{other.url}/base"), f"{other.url}/base", path="/a%2Fb?c=d")

    assert other.heads[0].startswith("GET /base/a%2Fb?c=d HTTP/1.1\r\n")


def test_path_begins_with_a_slash():
    app = app_for("http://127.0.0.1:1")
    with pytest.raises(ValueError, match="slash"):
        ask(app, "http://127.0.0.1:1", path="@evil/")


def test_upstream_of_a_fork():
    """One that is no business of /api/chain, by a name of the fork's own."""
    with HostileUpstream(saying(OK)) as other:
        app = create_app(Config())
        app.extensions["upstreams"].add("prices", other.url)
        app.add_url_rule(
            "/call", view_func=lambda: upstream.named("prices").request("GET", "/").body
        )

        assert app.test_client().get("/call").data == b"hi"
        assert app.test_client().get("/api/chain").get_json()["upstreams"] == []
        with pytest.raises(ValueError, match="prices"):
            app.extensions["upstreams"].add("prices", other.url)


def test_series_are_bounded():
    """Whatever is asked for and whatever comes of it."""
    with HostileUpstream(saying(OK)) as other:
        app = app_for(other.url)
        registry = app.extensions["metrics_registry"]

        def series():
            return {
                (sample.name, *sorted(sample.labels.items()))
                for family in registry.collect()
                for sample in family.samples
                if sample.name.startswith("hellopod_upstream")
            }

        before = series()
        for number in range(20):
            ask(app, other.url, path=f"/{number}?{number}")
        other.answer = saying(b"HTTP/1.1 599 A\r\nContent-Length: 0\r\n\r\n")
        outcome_of(app, other.url)

    assert series() == before
    assert len(before) <= 30


def test_headers_of_a_handler_replace_ours_in_any_case(flaky):
    app = app_for(flaky.url)
    flaky.answer = saying(OK)
    theirs = {"content-type": "text/plain", "user-agent": "shop", "x-request-timeout": "99"}
    ask(app, flaky.url, "POST", json={}, headers=None)
    with app.test_request_context(environ_overrides=arrived()):
        upstream.named(name_of(flaky.url)).request("POST", "/", json={}, headers=theirs)

    head = flaky.heads[-1].lower()
    assert [head.count(f"\r\n{name}:") for name in theirs] == [1, 1, 1]
    assert header(head, "content-type") == "text/plain" and header(head, "user-agent") == "shop"
    assert float(header(head, "x-request-timeout")) <= PLENTY


def test_call_that_cannot_be_made_is_no_success(flaky):
    app = app_for(flaky.url)
    with app.test_request_context(environ_overrides=arrived()), pytest.raises(ValueError):
        upstream.named(name_of(flaky.url)).request("GE T", "/")

    assert value(app, "requests_total", flaky.url, outcome="ok") == 0
    assert value(app, "requests_total", flaky.url, outcome="broken") == 1


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("0", 0),
        ("5", 5),
        ("00000000000005", 5),
        ("9" * 5000, LONGEST_RETRY_AFTER),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_RETRY_AFTER),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_within_bounds(given, seconds):
    assert retry_after(given) == seconds


def test_longest_retry_after_counts(flaky):
    app = app_for(flaky.url)
    primed(app, flaky.url)
    for seconds in (60, 0):
        flaky.answer = saying(
            b"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n"
            b"Retry-After: %d\r\n\r\n" % seconds
        )
        assert outcome_of(app, flaky.url) == "unavailable"
    asked = len(flaky.heads)
    flaky.answer = failing_first

    assert outcome_of(app, flaky.url) == "broken"
    assert len(flaky.heads) == asked + 1
