"""The page at `/` in a real browser, while the cluster rolls a new version out."""

from collections.abc import Callable, Iterator

import pytest

from .app import App, Http
from .browser import Page, chromium
from .cluster import Cluster
from .commands import running
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


@pytest.fixture
def picture(page: Page, pytestconfig: pytest.Config) -> Callable[[str, int], None]:
    """Leave a picture of a moment, after so many more answers; without a folder none."""

    def take(moment: str, more: int) -> None:
        def there_is_something_to_see() -> None:
            assert page.count("answered") >= counted + more

        if folder := pytestconfig.getoption("screenshots"):
            counted = page.count("answered")
            eventually(there_is_something_to_see, seconds=30, every=0.1)
            page.screenshot(f"{folder}/rollout-{moment}.png")

    return take


def test_rollout(
    page: Page,
    app: App,
    url: str,
    request: pytest.FixtureRequest,
    picture: Callable[[str, int], None],
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
    picture("before", 60)

    request.getfixturevalue("new_version")
    eventually(both_versions_are_shown, seconds=120, every=0.1)
    picture("during", 8)
    eventually(only_the_new_one_is_shown, seconds=120)
    eventually(app.settled, seconds=60)
    eventually(all_pods_are_shown, seconds=30)
    picture("after", 20)

    assert (page.count("failed"), page.count("shed")) == (0, 0)
    assert page.console() == []


def test_who_is_no_browser_gets_text(http: Http) -> None:
    response = http.get("/")

    assert response.status == 200
    assert response.headers["Content-Type"].startswith("text/plain")
    assert response.data.decode() == f"Hello from container {response.headers['X-Pod-Name']}!\n"


def test_port_forward_is_remarked(page: Page, app: App, cluster: Cluster) -> None:
    """It reaches one pod, whatever the Service has."""
    forward = ("port-forward", "--namespace", app.namespace, "service/hellopod", ":80")
    command = ("kubectl", "--context", cluster.context, *forward)

    def one_pod_is_remarked() -> None:
        assert "kubectl port-forward reaches one pod" in page.text("#single")

    with running(*command, until=r"127\.0\.0\.1:(\d+)", env=cluster.env) as match:
        page.open(f"http://127.0.0.1:{match[1]}/")
        eventually(one_pod_is_remarked, seconds=60)

        assert len(page.tiles()) == 1 < len(app.ready())
