import signal
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from service.config import Config
from tests.runtime.certificates import Files, issue, secure
from tests.runtime.gunicorn_process import OURS, Gunicorn
from tests.runtime.raw import get
from tests.service import sample

# A shell starts what runs in the background with SIGINT ignored, and processes inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def config() -> Config:
    """Settings of a pod, whatever the environment of the test run."""
    return Config(
        pod_name="hellopod-1",
        pod_namespace="test",
        pod_ip="10.0.0.1",
        node_name="node-1",
        service_account="hellopod",
        version="1.2.3",
        revision="abc123",
    )


@pytest.fixture
def app(config: Config) -> Flask:
    """A new app, as gunicorn builds it, but with endpoints of the tests' own."""
    return sample.create_app(config)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of that app."""
    return app.test_client()


@pytest.fixture
def chaos_app(config: Config) -> Flask:
    """An app with faults on demand, in amounts that fit a test."""
    token = {"chaos_token": "a-token-for-the-tests"}
    return sample.create_app(replace(config, **token, chaos_max_seconds=2.0, chaos_max_bytes=2**23))


@pytest.fixture
def chaos(chaos_app: Flask):
    """Asks that app for faults, with the token."""

    def ask(path, method="GET", **options):
        token = chaos_app.extensions["config"].chaos_token
        options["headers"] = {"Authorization": f"Bearer {token}"}
        return chaos_app.test_client().open(f"/chaos/{path}", method=method, **options)

    return ask


@pytest.fixture(scope="session")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Text for Prometheus from the real process, once every metric has a sample."""
    files = Files(tmp_path_factory.mktemp("tls"), issue())
    # An upstream has series before anybody calls it.
    settings = files.settings | {"UPSTREAMS": "http://upstream"}
    with Gunicorn(*OURS, "tests.process.raising_app:app", **settings) as server:
        answers = [get(server.port, path, using=secure) for path in ("/", "/raise")]
        assert [status for status, _, _ in answers] == [200, 500]
        return get(server.management, "/metrics")[2].decode()


@pytest.fixture
def seed(request) -> int | None:
    """Seed of a long run; None in a short one, with the same cases each time."""
    return request.config.getoption("--fuzz")


def pytest_addoption(parser):
    parser.addoption("--fuzz", type=int, metavar="SEED", help="fuzz for many minutes: make fuzz")
