import os
import platform
import socket
from datetime import UTC, datetime

import pytest

from service.config import Config
from tests.service.sample import create_app


def test_identity_in_a_pod(client):
    identity = client.get("/api/identity").get_json()

    started_at = datetime.fromisoformat(identity.pop("started_at"))
    assert abs((datetime.now(UTC) - started_at).total_seconds()) < 60
    assert identity == {
        "pod": "hellopod-1",
        "namespace": "test",
        "node": "node-1",
        "pod_ip": "10.0.0.1",
        "service_account": "hellopod",
        "version": "1.2.3",
        "revision": "abc123",
        "worker_pid": os.getpid(),
        "draining": False,
        "remote_addr": "127.0.0.1",
        "scheme": "http",
        "host": "localhost",
    }


def test_identity_outside_a_cluster():
    identity = create_app(Config.from_env({})).test_client().get("/api/identity").get_json()

    assert identity["pod"] == socket.gethostname()
    assert identity["version"]
    assert identity["namespace"] is identity["node"] is identity["revision"] is None


def test_version(client):
    version = client.get("/version").get_json()

    assert (version["version"], version["revision"]) == ("1.2.3", "abc123")
    assert version["python"] == platform.python_version()
    assert version["flask"].startswith("3.")
    assert version["gunicorn"].startswith("27.")


@pytest.mark.parametrize("path", ["/api/identity", "/version", "/openapi.yaml"])
def test_head_is_get_without_body(client, path):
    head, get = client.head(path), client.get(path)

    assert (head.status_code, head.data) == (200, b"")
    assert head.content_type == get.content_type
    assert head.content_length > 0


def test_every_response_names_the_pod(client):
    for path in ("/", "/healthz", "/metrics", "/nope"):
        assert client.get(path).headers["X-Pod-Name"] == "hellopod-1"
