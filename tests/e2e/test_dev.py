"""A saved edit is served within seconds: with `skaffold dev`, and by what that relies on alone."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from . import tar_stream
from .app import App
from .cluster import Cluster
from .dev import Dev

SLOW = """

@bp.get("/slow")
def slow():
    import time
    print("a slow request has begun", flush=True)
    time.sleep(60)
    return ""
"""


@pytest.fixture(
    scope="module",
    params=[pytest.param("skaffold", marks=pytest.mark.needs("skaffold")), "tar stream"],
)
def dev(
    request: pytest.FixtureRequest, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Dev]:
    """Give the pod that is edited."""
    if request.param == "skaffold":
        with request.getfixturevalue("skaffold").dev() as dev:
            yield dev
        cluster.remove_namespace()
        return
    if not cluster.kind_name:
        pytest.skip("nodes other than kind's cannot get an image that was built here")
    cluster.remove_namespace()
    with tar_stream.dev(tmp_path_factory.mktemp("dev"), cluster) as dev:
        yield dev


@pytest.fixture(autouse=True)
def container(cluster: Cluster, dev: Dev) -> Iterator[None]:
    """Assert that the one container stays as it is, and that skaffold builds no other image."""
    app = App(cluster.client(), cluster.namespace)
    before, built = containers(app), dev.printed().count("Generating tags...")
    assert len(before) == 1
    yield
    assert containers(app) == before
    assert dev.printed().count("Generating tags...") == built


def containers(app: App) -> set[tuple[str, int]]:
    """Return each container of the app by its id, with the number of its restarts."""
    return {
        (status.container_id, status.restart_count)
        for pod in app.pods().values()
        for status in pod.status.container_statuses
    }


def test_api(dev: Dev) -> None:
    dev.copy.say("Edited in")

    dev.serves("/version", "Edited in")


def test_config(dev: Dev) -> None:
    dev.copy.replace("service/config.py", "from service.version import.*", '__version__ = "9.8.7"')

    dev.serves("/version", '"9.8.7"')


def test_runtime_module(dev: Dev) -> None:
    dev.copy.append("service/runtime/worker.py", '\nos.environ["REVISION"] = "edited"\n')

    dev.serves("/version", '"edited"')


def test_added_and_removed_module(dev: Dev) -> None:
    (dev.copy.folder / "service/added").mkdir()
    dev.copy.append("service/added/__init__.py", "")
    dev.copy.append("service/api.py", "import service.added\n")
    dev.copy.say("Added to")
    dev.serves("/version", "Added to")

    shutil.rmtree(dev.copy.folder / "service/added")
    dev.copy.replace("service/api.py", "import service.added\n", "import service.no_more\n")
    dev.prints("No module named 'service.no_more'")

    dev.copy.replace("service/api.py", "import service.no_more\n", "")
    dev.copy.say("Removed from")
    dev.serves("/version", "Removed from")


def test_syntax_error_and_repair(dev: Dev) -> None:
    dev.copy.append("service/api.py", "def broken(:\n")
    dev.prints("invalid syntax (api.py")

    dev.copy.replace("service/api.py", r"def broken\(:\n", "")
    dev.copy.say("Repaired in")
    dev.serves("/version", "Repaired in")


def test_edit_beside_request_under_way(dev: Dev) -> None:
    dev.copy.append("service/api.py", SLOW)
    dev.copy.say("Slow in")
    dev.serves("/version", "Slow in")

    with ThreadPoolExecutor() as pool:
        pool.submit(dev.get, "/slow")
        dev.prints("a slow request has begun")
        dev.copy.say("Quick in")
        dev.serves("/version", "Quick in")
