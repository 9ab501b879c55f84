"""What holds whatever somebody sent."""

from tests.runtime.raw import metric


def assert_unharmed(server):
    """The worker is the first one, and nothing that it logged is an error or no JSON."""
    assert metric(server.management, "hellopod_worker_restarts_total") == 0
    records = server.records()
    assert [record for record in records if record["level"] not in ("INFO", "WARNING")] == []
