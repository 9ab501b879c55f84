import subprocess
import sys

from prometheus_client.parser import text_string_to_metric_families

from tests.service.sample import create_app


def requests_counted(client):
    families = text_string_to_metric_families(client.get("/metrics").text)
    return sum(s.value for f in families for s in f.samples if s.name == "flask_http_request_total")


def test_two_apps_count_apart(config):
    one, other = create_app(config).test_client(), create_app(config).test_client()
    for _ in range(3):
        one.get("/")
    other.get("/")

    assert requests_counted(one) == 3
    assert requests_counted(other) == 1


def test_import_starts_nothing():
    count = "threading.active_count() + len(os.listdir('/dev/fd'))"
    script = (
        f"import os, sys, threading; n = {count}; import service.factory; sys.exit({count} - n)"
    )
    command = [sys.executable, "-c", script]
    # A setting that would stop the start of an app.
    run = subprocess.run(command, env={"PORT": "abc"}, capture_output=True, timeout=30)

    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("POD_NAME", "from-env")

    assert create_app().test_client().get("/").headers["X-Pod-Name"] == "from-env"
