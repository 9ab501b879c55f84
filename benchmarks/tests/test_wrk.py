from benchmarks.wrk import Closed, parse

FINE = """Running 1s test @ http://127.0.0.1:8000/
  1 threads and 16 connections
  1263 requests in 1.00s, 300.00KB read
Requests/sec:   1262.49
Transfer/sec:    299.88KB
"""
FAILED = FINE.replace(
    "Requests/sec",
    "  Socket errors: connect 1, read 3, write 0, timeout 2\n"
    "  Non-2xx or 3xx responses: 40\nRequests/sec",
)


def test_rate():
    assert parse(FINE) == Closed(1262.49, 0)


def test_failures_are_counted():
    assert parse(FAILED) == Closed(1262.49, 46)
