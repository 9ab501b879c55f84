import json
import sqlite3

from benchmarks import oha
from benchmarks.oha import Answer

# What oha 1.16 prints, as far as it is read.
PRINTED = {
    "summary": {"total": 4.0, "requestsPerSec": 5000.0},
    "statusCodeDistribution": {"200": 2800, "503": 16400},
    "errorDistribution": {"aborted due to deadline": 960, "timeout": 32},
}
TABLE = """CREATE TABLE oha (url TEXT NOT NULL, start REAL NOT NULL, start_latency_correction REAL,
end REAL NOT NULL, duration REAL NOT NULL, status INTEGER NOT NULL, len_bytes INTEGER NOT NULL,
run INTEGER NOT NULL)"""


def parse(**changes):
    return oha.parse(json.dumps(PRINTED | changes).encode())


def test_counts_what_became_of_the_requests():
    found = parse()

    assert found.outcomes == {"200": 2800, "503": 16400, "timeout": 32}
    assert found.sent == 2800 + 16400 + 32
    assert found.goodput == 2800 / 4


def test_who_was_under_way_at_the_end_has_no_outcome():
    assert parse().under_way == 960
    assert parse(errorDistribution={}).under_way == 0


def test_reads_when_each_answer_was_due_sent_and_there(tmp_path):
    with sqlite3.connect(tmp_path / "answers") as connection:
        connection.execute(TABLE)
        row = "INSERT INTO oha VALUES ('/', ?, ?, ?, ?, ?, 47, 1795540039)"
        connection.executemany(row, [(1.5, 1.0, 2.0, 1.0, 200), (3.0, None, 3.25, 0.25, 503)])
    connection.close()

    answers = oha.read(tmp_path / "answers")

    assert answers == [Answer(1.0, 1.5, 2.0, 200), Answer(3.0, 3.0, 3.25, 503)]
    assert [(answer.waited, answer.took) for answer in answers] == [(1.0, 0.5), (0.25, 0.25)]
