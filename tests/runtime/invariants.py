"""What holds whatever somebody sent."""

import re

from tests.runtime.raw import metric

# What the log says of a dependency that fails, to a request or to its check, and the reason.
OUTAGE = re.compile(r"(?:.+ fails: \w+|.+ does not work|not ready: .+?): (.+)")
SAYING = ("service.outage_log", "service.dependencies")
TASKS = "service.background"


def assert_unharmed(server):
    """The worker is the first one, and nothing that it logged is a fault or no JSON."""
    assert metric(server.management, "hellopod_worker_restarts_total") == 0
    assert faults(server.records()) == []


def faults(records):
    """Return the errors of a log, but for those of an outage: what a fork depends on is not here.

    Such are the line of the outage, and a background task that fails for the reason of one. Any
    other traceback is a fault.
    """
    said = [OUTAGE.match(one["message"]) for one in records if one["logger"] in SAYING]
    reasons = [match[1] for match in said if match]

    def of_an_outage(record):
        text = record.get("exc_info", "")
        if record["logger"] == TASKS:
            return not text or any(reason in text for reason in reasons)
        return record["logger"] in SAYING and not text and OUTAGE.match(record["message"])

    errors = [one for one in records if one["level"] not in ("DEBUG", "INFO", "WARNING")]
    return [record for record in errors if not of_an_outage(record)]
