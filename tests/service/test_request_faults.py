import logging
import threading
import time
from collections import Counter

import pytest


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_wait(chaos, method):
    start = time.monotonic()
    response = chaos("wait?seconds=0.3", method)

    assert (response.status_code, response.json) == (200, {"waited": 0.3})
    assert 0.3 <= time.monotonic() - start < 1.3


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_cpu(chaos, method):
    before = time.process_time()
    response = chaos("cpu?seconds=0.2", method)

    assert (response.status_code, response.json) == (200, {"burned": 0.2})
    assert 0.2 <= time.process_time() - before < 1.2


def test_hang_lasts_as_long_as_is_allowed(chaos):
    start = time.monotonic()
    response = chaos("hang")

    assert (response.status_code, response.json) == (200, {"hung": 2.0})
    assert 2 <= time.monotonic() - start < 3


def test_stream(chaos):
    start = time.monotonic()
    pieces = list(chaos("stream?chunks=3&interval=0.2", "POST").iter_encoded())

    assert [len(piece) for piece in pieces] == [64, 64, 64]
    assert 0.4 <= time.monotonic() - start < 1.4


def test_stream_begins_at_once(chaos):
    response = chaos("stream?chunks=2&interval=2", buffered=False)

    start = time.monotonic()
    next(response.iter_encoded())
    assert time.monotonic() - start < 1
    response.close()


@pytest.mark.parametrize(("rate", "most"), [(5, 1), (1000, 500), (8_000_000, 65536)])
def test_stream_at_a_rate(chaos, rate, most):
    start = time.monotonic()
    sizes = [
        (time.monotonic() - start, len(piece))
        for piece in chaos(f"stream?rate={rate}&seconds=1", buffered=False).iter_encoded()
    ]

    assert sum(size for _, size in sizes) == rate
    assert 1 <= time.monotonic() - start < 2
    assert max(size for _, size in sizes) <= most
    # Never ahead of its rate: half of it is not there before half of the time.
    assert sum(size for at, size in sizes if at < 0.5) <= rate / 2


@pytest.mark.parametrize("code", [200, 204, 304, 302, 400, 418, 429, 499, 500, 503, 599])
def test_status(chaos, code):
    response = chaos(f"status/{code}")

    assert response.status_code == code
    if code >= 400:
        assert response.content_type == "application/problem+json"
        assert response.json["status"] == code


def test_status_by_weight(chaos):
    found = Counter(chaos("status/200:8,503:1,429").status_code for _ in range(400))

    # 40 of each are expected; less than 10, or more than 90, is a matter of 1 in 10 million.
    assert found.keys() == {200, 503, 429}
    assert 10 < found[503] < 90 and 10 < found[429] < 90


def test_status_is_no_error_in_the_log(chaos, caplog):
    chaos("status/500")

    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_others_do_not_wait(chaos_app, chaos):
    waiting = threading.Thread(target=chaos, args=("wait?seconds=2",))
    waiting.start()
    start = time.monotonic()

    for path in ("/healthz", "/metrics", "/api/identity"):
        assert chaos_app.test_client().get(path).status_code == 200
    assert time.monotonic() - start < 1
    waiting.join()
