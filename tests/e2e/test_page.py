"""The page at `/` in a real browser, while the cluster rolls a new version out."""

from collections.abc import Iterator

import pytest

from .app import App
from .browser import Page, chromium
from .cluster import Cluster
from .waiting import eventually

NEW = "9.9.9"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """Give a browser; first of all, so that nothing is deployed where there is none."""
    with chromium() as page:
        yield page


@pytest.fixture
def new_version(app: App, cluster: Cluster) -> Iterator[None]:
    """Begin to roll out a version that differs by its name, and go back in the end."""
    cluster.kubectl("set", "env", "deployment/hellopod", f"VERSION={NEW}")
    yield
    cluster.kubectl("set", "env", "deployment/hellopod", "VERSION-")
    eventually(app.settled, seconds=120)


def test_rollout(
    page: Page, app: App, url: str, request: pytest.FixtureRequest, pytestconfig: pytest.Config
) -> None:
    def all_pods_are_shown() -> set[str]:
        assert set(page.tiles()) == set(app.ready())
        return page.versions()

    def both_versions_are_shown() -> None:
        assert len(page.versions() | old) == len(page.versions()) == 2

    def only_the_new_one_is_shown() -> None:
        assert all(version.startswith(NEW) for version in page.versions())

    page.open(f"{url}/")
    old = eventually(all_pods_are_shown, seconds=30)
    assert len(old) == 1

    request.getfixturevalue("new_version")
    eventually(both_versions_are_shown, seconds=120, every=0.1)
    if picture := pytestconfig.getoption("screenshot"):
        page.screenshot(picture)
    eventually(only_the_new_one_is_shown, seconds=120)
    eventually(app.settled, seconds=60)
    eventually(all_pods_are_shown, seconds=30)

    assert (page.count("failed"), page.count("shed")) == (0, 0)
    assert page.console() == []
