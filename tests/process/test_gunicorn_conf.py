import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time

import pytest
from gunicorn.arbiter import Arbiter

from service.config import Config
from tests.runtime.gunicorn_process import OURS, REPOSITORY, SAMPLE, Gunicorn
from tests.runtime.raw import eventually, get


@pytest.fixture(scope="module")
def server():
    with Gunicorn(REVISION="abc123") as gunicorn:
        yield gunicorn


def test_serves(server):
    status, headers, body = get(server.port, "/api/identity")

    assert (status, headers["x-pod-name"]) == (200, "pod-1")
    assert json.loads(body)["pod"] == "pod-1"


@pytest.mark.parametrize(("query", "connection"), [("", "keep-alive"), ("?close", "close")])
def test_closes_behind_a_page_that_asks(server, query, connection):
    assert get(server.port, f"/api/identity{query}")[1]["connection"] == connection


def test_one_worker_many_threads(server):
    assert server.wait_for('"message": "Using worker: Worker"')
    children = subprocess.run(
        ["pgrep", "--parent", str(server.process.pid)], capture_output=True, text=True, timeout=10
    )
    assert len(children.stdout.split()) == 1


def test_the_worker_shares_what_apps_are_made_of():
    with Gunicorn(*OURS, "tests.process.modules_app:application") as gunicorn:
        there = json.loads(get(gunicorn.port, "/")[2])

    assert "service.factory" in there
    assert "service.api" not in there  # somebody else's module may open what is not to be shared


def test_start_logs_the_settings_once(server):
    settings = [record["settings"] for record in server.records() if "settings" in record]

    assert settings == [
        Config(port=0, management_port=0, pod_name="pod-1", revision="abc123").public()
    ]


def test_start_warns_of_nothing():
    with Gunicorn(*OURS, SAMPLE) as gunicorn:  # the service's own may lack its database
        assert get(gunicorn.port, "/api/identity")[0] == 200

    assert {record["level"] for record in gunicorn.records()} == {"INFO"}


@pytest.mark.parametrize("request_bytes", [b"", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"])
def test_stop_is_quick_and_clean(request_bytes):
    """As under docker stop, with a connection open that is idle or has never been used."""
    with Gunicorn() as gunicorn:
        with socket.create_connection(("127.0.0.1", gunicorn.port)) as connection:
            if request_bytes:
                connection.sendall(request_bytes)
                assert connection.recv(65536)
            started = time.monotonic()

            assert gunicorn.stop() == 0
            assert time.monotonic() - started < 10  # a stop that waits for clients takes 30


def test_an_app_that_cannot_be_loaded_ends_the_start():
    """And no thread that waits for requests keeps the worker."""
    start = start_in(REPOSITORY, *OURS, "tests.runtime.no_such_app:application")

    assert start.returncode == Arbiter.WORKER_BOOT_ERROR
    assert "No module named 'tests.runtime.no_such_app'" in start.stdout


def start_in(folder, *arguments):
    """Run a start that fails to its end."""
    return subprocess.run(
        ["timeout", "--signal=KILL", "20", sys.executable, *arguments],  # its whole process group
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PORT": "0", "MANAGEMENT_PORT": "0"},
        capture_output=True,
        text=True,
    )


def with_part(folder, code):
    """Copy the service, and have one of its modules run this code at its import."""
    shutil.copytree(REPOSITORY / "service", folder / "service")
    with (folder / "service/about.py").open("a") as part:
        part.write(code)
    return folder


def test_a_part_that_cannot_be_imported_ends_the_start(tmp_path):
    start = start_in(with_part(tmp_path, "raise RuntimeError('this part is broken')\n"), *OURS)

    assert start.returncode == Arbiter.WORKER_BOOT_ERROR
    assert start.stdout.count("RuntimeError: this part is broken") == 1


def test_sigterm_ends_a_start_that_still_imports(tmp_path):
    # Short waits: Python hears of a signal that comes just before a wait when that is over.
    waits = "for _ in range(1000):\n    time.sleep(0.02)\n"
    code = "import pathlib, time\npathlib.Path('here').touch()\n" + waits
    gunicorn = Gunicorn(POD_NAME="pod-1")
    gunicorn.directory = with_part(tmp_path, code)
    gunicorn.start()
    eventually((tmp_path / "here").exists, seconds=10)
    started = time.monotonic()
    gunicorn.process.terminate()
    gunicorn.process.wait(timeout=10)
    gunicorn.stop()

    assert time.monotonic() - started < 5


def test_settings_reach_gunicorn():
    command = [sys.executable, *OURS, "--print-config"]
    given = {"KEEPALIVE": "66", "GRACEFUL_TIMEOUT": "7"}
    environ = {"PATH": os.environ["PATH"], **given}
    run = subprocess.run(command, cwd=REPOSITORY, env=environ, capture_output=True, text=True)
    found = dict(re.findall(r"^(\w+) += (.*)$", run.stdout, re.MULTILINE))

    config = Config()
    assert int(found["threads"]) >= config.concurrency + config.queue_length + 8
    assert (found["keepalive"], found["graceful_timeout"]) == ("66", "9")
    assert found["worker_tmp_dir"] == "/dev/shm"
    assert found["control_socket_disable"] == "True"
    assert found["forwarder_headers"] == found["forwarded_allow_ips"] == "[]"
    assert found["secure_scheme_headers"] == "{}"


@pytest.mark.parametrize("setting", ["PORT=abc", "LOG_LEVEL=", "LOG_LEVEL=loud", "CONCURRENCY=0"])
def test_bad_setting_stops_the_start(setting):
    name, value = setting.split("=")
    command = [sys.executable, "-m", "gunicorn", "--config"]
    start = subprocess.run(
        [*command, "python:service.gunicorn_conf", "--check-config"],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], name: value},
        capture_output=True,
        text=True,
        timeout=30,
    )

    if value == "":  # empty is unset
        assert start.returncode == 0, start.stderr
        return
    assert start.returncode == 1
    assert start.stdout == ""
    assert start.stderr.startswith(f"hellopod: {name}='{value}' is not allowed: ")
    assert start.stderr.count("\n") == 1
