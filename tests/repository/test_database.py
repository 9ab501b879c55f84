"""docs/database.md, followed to the letter after the guide, with a real PostgreSQL."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest
import yaml

from tests.copying import copy, run
from tests.e2e.instance import without_secrets
from tests.e2e.kustomization import write
from tests.repository.following import DATABASE, follow_with_database
from tests.repository.postgres import Postgres
from tests.runtime.gunicorn_process import Gunicorn
from tests.runtime.raw import connect, eventually, get, is_problem, metric, read_response

ORDER = b'{"pieces": 3}'
CLIENTS = 24  # more than CONCURRENCY, 16
FORMS = ("host", "user and socket", "socket")  # of a URL


@pytest.fixture(scope="module")
def orders(tmp_path_factory):
    """The service of the guide, with PostgreSQL."""
    directory = copy(tmp_path_factory.mktemp("orders"))
    follow_with_database(directory)
    (directory / ".venv").symlink_to(sys.prefix)
    return directory


@pytest.fixture(scope="module")
def server():
    with Postgres() as server:
        yield server


@pytest.fixture
def postgres(server):
    """The server, with an empty database."""
    if server.process.poll() is not None:  # a test that failed has left it so
        server.start()
    server.make_database()
    return server


def migrate(orders, url):
    return subprocess.Popen(
        (sys.executable, "-m", "service.migrate"),
        cwd=orders,
        env=os.environ | {"DATABASE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def migrated(orders, url):
    pod = migrate(orders, url)
    output = pod.communicate(timeout=60)[0]
    assert pod.returncode == 0, output
    return output


@contextmanager
def serving(orders, url):
    class Orders(Gunicorn):
        directory = orders

    with Orders(DATABASE_URL=url) as server:
        eventually(lambda: get(server.management, "/readyz")[0] == 200, seconds=30)
        yield server


def place(server):
    head = (
        "POST /api/orders HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(ORDER)}\r\n\r\n"
    )
    with connect(server.port, timeout=60) as sock:
        sock.sendall(head.encode() + ORDER)
        return read_response(sock)


def place_all(server, number):
    with ThreadPoolExecutor(CLIENTS) as clients:
        return list(clients.map(lambda _: place(server), range(number)))


def said(server):
    """What was logged about the database and what needs it, but for the access log."""
    about = ("database", "orders", "schema")
    return [
        (record["level"], re.sub(r":.*|\d+(?= failures)", "", record["message"], flags=re.DOTALL))
        for record in server.records()
        if "path" not in record and any(word in record["message"] for word in about)
    ]


def is_up(server, name):
    return metric(server.management, f'hellopod_dependency_up{{dependency="{name}"}}') == 1


def statistic(postgres, column):
    with psycopg.connect(postgres.url) as db:
        query = f"SELECT {column} FROM pg_stat_database WHERE datname = current_database()"  # noqa: S608
        return db.execute(query).fetchone()[0]


@pytest.mark.parametrize("form", FORMS)
def test_its_tests_pass(orders, postgres, form):
    files = ("tests/service/test_api.py", "tests/service/test_openapi.py")
    url = postgres.urls[form]
    result = run(orders, sys.executable, "-m", "pytest", "-q", "-rs", *files, DATABASE_URL=url)

    assert result.returncode == 0, result.stdout[-3000:]
    assert "DATABASE_URL" not in result.stdout


def test_the_contract_waits_for_no_database(orders, postgres):
    """The URL of the default may lead to a slow one, and until it answers, /readyz says 503."""
    test = "tests/service/test_openapi.py::test_answers_match_their_schema"
    postgres.signal(signal.SIGSTOP)
    try:
        result = run(orders, sys.executable, "-m", "pytest", "-q", test, PGPORT=str(postgres.port))
    finally:
        postgres.signal(signal.SIGCONT)

    assert result.returncode == 0, result.stdout[-3000:]


def test_make_run_is_tested_without_the_schema(orders, postgres):
    """As in CI, where nobody has migrated the database of DATABASE_URL."""
    command = (sys.executable, "-m", "pytest", "-q", "tests/process/test_signals.py")
    result = run(orders, *command, "-k", "terminal", DATABASE_URL=postgres.url)

    assert result.returncode == 0, result.stdout[-3000:]


def test_production_can_do_without_its_secret(orders, tmp_path):
    """As tests/e2e/test_settings.py of a fork has it."""
    place = orders / "k8s/overlays/production"
    write(tmp_path, [place], patches=[{"patch": json.dumps(without_secrets(place))}])
    before, after = (run(orders, "kubectl", "kustomize", each).stdout for each in (place, tmp_path))
    words = ("/run/secrets/database", "secretName: hellopod-database", "service.migrate")

    assert [word for word in words if word not in before] == []
    assert [word for word in words if word in after] == []
    assert before.count("valueFrom:") == after.count("valueFrom:") > 0  # the rest stays


def test_a_volume_made_by_hand_is_what_the_claim_asks_for(orders):
    """And any user writes to its folder: fsGroup changes nothing in a hostPath."""
    block = r"mkdir -m (\d+) -p (\S+)\nkubectl --context kind-\S+ apply -f - <<'END'\n(.*?)END\n"
    [(mode, folder, manifest)] = re.findall(block, (orders / DATABASE).read_text(), re.DOTALL)
    objects = yaml.safe_load_all((orders / "k8s/overlays/local/postgres.yaml").read_text())
    [claim] = [each["spec"] for each in objects if each["kind"] == "PersistentVolumeClaim"]
    volume = yaml.safe_load(manifest)["spec"]

    assert (mode, folder) == ("0777", volume["hostPath"]["path"])
    assert volume["accessModes"] == claim["accessModes"]
    assert volume["capacity"] == claim["resources"]["requests"]


def test_pods_that_start_at_once_migrate_once(orders, postgres):
    def waiting():
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        return other.execute(query).fetchone()[0]

    with psycopg.connect(postgres.url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(7001)")  # all of them begin when this one ends
        pods = [migrate(orders, postgres.url) for _ in range(3)]
        eventually(lambda: waiting() == 3, seconds=60)
    outputs = sorted(pod.communicate(timeout=60)[0] for pod in pods)

    assert [pod.returncode for pod in pods] == [0, 0, 0], outputs
    assert outputs == [
        "migrate: from 0000 to 0001\n",
        *["migrate: nothing to do, 0001 is there\n"] * 2,
    ]


def test_a_migration_waits_for_the_database_and_says_so_once(orders, postgres):
    postgres.stop()
    pod = migrate(orders, postgres.url)
    line = pod.stdout.readline()
    time.sleep(2)  # two more tries
    postgres.start()

    assert re.fullmatch(r"migrate: waits for the database: .*refused.*\n", line)
    assert pod.communicate(timeout=60)[0].endswith("migrate: from 0000 to 0001\n")
    assert pod.returncode == 0


def test_ready_when_the_schema_is_there(orders, postgres):
    class Orders(Gunicorn):
        directory = orders

    with Orders(DATABASE_URL=postgres.url) as server:
        server.wait_for("not ready: schema: the schema is at 0000, and 0001 is needed")
        status, _, body = get(server.management, "/readyz")
        assert (status, json.loads(body)["for"]) == (503, ["schema"])
        time.sleep(1)  # two runs of the task
        migrated(orders, postgres.url)
        eventually(lambda: get(server.management, "/readyz")[0] == 200, seconds=30)

    assert [line for line in said(server) if line[1] != "database works"] == [
        ("WARNING", "not ready"),
        ("INFO", "schema works"),
    ]


def test_an_outage(orders, postgres):
    migrated(orders, postgres.url)
    with serving(orders, postgres.url) as server:
        assert place(server)[0] == 201
        for name in ("database", "schema"):
            server.wait_for(f"{name} works")
        postgres.stop()
        answers = place_all(server, 100)
        assert {status for status, _, _ in answers} == {503}
        assert all(is_problem(*answer) for answer in answers)
        assert all(int(headers["retry-after"]) >= 1 for _, headers, _ in answers)
        eventually(lambda: not is_up(server, "database"), seconds=30)
        assert get(server.management, "/readyz")[0] == 200
        postgres.start()
        eventually(lambda: place(server)[0] == 201, seconds=30)
        server.wait_for("database works again", 60)
        time.sleep(1)  # two runs of the task

    # One line at each change, whichever of requests, check and task noticed it. The task has none.
    assert not any("exc_info" in record for record in server.records())
    lines = said(server)
    assert [line for line in lines if line[1] not in ("database works", "schema works")] == [
        ("ERROR", "database fails"),
        ("INFO", "database works again, after  failures"),
    ]


def test_a_database_that_came_back_empty(orders, postgres):
    migrated(orders, postgres.url)
    with serving(orders, postgres.url) as server:
        assert place(server)[0] == 201
        server.wait_for("schema works")
        with psycopg.connect(postgres.url) as other:
            other.execute("DROP TABLE orders, alembic_version")
        answers = place_all(server, CLIENTS)
        assert {status for status, _, _ in answers} == {503}
        assert all(is_problem(*answer) for answer in answers)
        eventually(lambda: get(server.management, "/readyz")[0] == 503, seconds=30)
        migrated(orders, postgres.url)
        eventually(lambda: get(server.management, "/readyz")[0] == 200, seconds=30)
        assert place(server)[0] == 201
        server.wait_for("schema works again", 30)

    assert not any("exc_info" in record for record in server.records())
    assert [line for line in said(server) if "schema" in line[1]][1:] == [
        ("ERROR", "schema fails"),
        ("INFO", "schema works again, after  failures"),
    ]


def test_a_missing_table_is_a_mistake_where_the_schema_is_new_enough(orders, postgres):
    migrated(orders, postgres.url)
    with serving(orders, postgres.url) as server, psycopg.connect(postgres.url) as other:
        other.execute("ALTER TABLE orders RENAME TO others")
        other.commit()
        assert place(server)[0] == 500
        server.wait_for("psycopg.errors.UndefinedTable")


def test_an_outage_behind_a_unix_socket(orders, postgres):
    url = postgres.urls["socket"]
    migrated(orders, url)
    with serving(orders, url) as server:
        assert place(server)[0] == 201
        server.wait_for("database works")
        postgres.stop()
        assert {status for status, _, _ in place_all(server, CLIENTS)} == {503}
        server.wait_for("database fails: .* on socket")
        assert get(server.management, "/readyz")[0] == 200
        postgres.start()
        eventually(lambda: place(server)[0] == 201, seconds=30)


@pytest.mark.parametrize(
    "url", ["postgresql:///", "postgresql://host", "postgresql:/db", "sqlite:///db"]
)
def test_what_is_no_url_of_a_database(orders, url):
    result = run(orders, sys.executable, "-m", "service", "--check-config", DATABASE_URL=url)

    assert result.returncode != 0
    assert f"DATABASE_URL='{url}' is not allowed: postgresql://" in result.stdout + result.stderr


def test_a_frozen_database(orders, postgres):
    """It takes connections and says nothing: no request waits for long, and no slot is lost."""
    migrated(orders, postgres.url)
    with serving(orders, postgres.url) as server:
        place_all(server, CLIENTS)  # all connections of the pool are open
        postgres.signal(signal.SIGSTOP)
        started = time.monotonic()
        answers = place_all(server, 2 * CLIENTS)
        took = time.monotonic() - started
        assert {status for status, _, _ in answers} == {503}
        assert took < 40
        assert get(server.management, "/readyz")[0] == 200
        assert get(server.management, "/healthz")[0] == 200
        postgres.signal(signal.SIGCONT)
        eventually(lambda: place(server)[0] == 201, seconds=30)
        assert [place(server)[0] for _ in range(CLIENTS)] == [201] * CLIENTS


def test_a_statement_that_takes_too_long(orders, postgres):
    """Another transaction holds the table: the server cancels, and the connection stays good."""
    migrated(orders, postgres.url)
    with serving(orders, postgres.url) as server, psycopg.connect(postgres.url) as other:
        other.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        assert place(server)[0] == 503
        server.wait_for("database fails: .*canceling statement due to statement timeout")
        other.rollback()
        assert place(server)[0] == 201


def test_the_worker_closes_its_connections(orders, postgres):
    migrated(orders, postgres.url)
    before = statistic(postgres, "sessions_abandoned")
    with serving(orders, postgres.url) as server:
        place_all(server, CLIENTS)
        assert statistic(postgres, "numbackends") <= 17  # CONCURRENCY, and the one that asks

    eventually(lambda: statistic(postgres, "numbackends") == 1)
    assert statistic(postgres, "sessions_abandoned") == before
