"""make up, again after an edit, logs, load and make down: on a kind cluster of their own."""

import re
import signal
from collections.abc import Iterator
from contextlib import chdir

import pytest

from .app import Http
from .browser import Page, chromium
from .clone import ALL_OF_IT, Clone
from .commands import running
from .waiting import eventually


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as page:
        yield page


@pytest.fixture(scope="module")
def clone(
    page: Page, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Clone]:
    if pytestconfig.getoption("context"):
        pytest.skip("make up creates a kind cluster")
    clone = Clone.under(tmp_path_factory.mktemp("up"))
    try:
        assert f"{clone.url} reaches all pods" in clone.make("up")
        yield clone
    finally:
        clone.make("down")


def test_the_port_reaches_all_pods(clone: Clone, page: Page) -> None:
    def all_pods_are_shown() -> None:
        assert len(clone.pods()) >= 2  # the autoscaler adds the second within 15 s
        assert set(page.tiles()) == clone.pods()

    page.open(clone.url)
    eventually(all_pods_are_shown, seconds=120)

    assert page.console() == []


def test_up_again_after_an_edit_rolls_over(clone: Clone, page: Page) -> None:
    page.open(clone.url)
    (old,) = eventually(lambda: one(page.versions()), seconds=30)
    clone.copy.greet("Greetings from container")

    def both_versions_are_shown() -> None:
        assert old in page.versions()
        assert len(page.versions()) == 2

    def only_the_new_one_is_shown() -> None:
        assert old not in page.versions()
        assert len(page.versions()) == 1

    with (
        chdir(clone.folder),
        running("make", "up", until="Waiting for the pods", env=clone.env, seconds=ALL_OF_IT),
    ):
        eventually(both_versions_are_shown, seconds=120, every=0.1)
        eventually(only_the_new_one_is_shown, seconds=120)

    assert Http(clone.url).get("/").data.decode().startswith("Greetings from container ")
    assert page.count("failed") == 0


def test_up_again_without_an_edit_replaces_no_pod(clone: Clone) -> None:
    before = clone.pods()
    assert "is built already" in clone.make("up")

    assert clone.pods() & before == before


def test_logs_follow_all_pods(clone: Clone) -> None:
    def requests_to_all_pods_are_shown(printed: str) -> None:
        Http(clone.url).get("/followed")
        for pod in clone.pods():
            assert re.search(rf"^\[pod/{pod}/.*GET /followed 404", printed, re.M), printed

    assert len(clone.pods()) > 1
    code, printed = clone.interrupt("logs", requests_to_all_pods_are_shown)

    assert code == -signal.SIGINT
    assert "Traceback" not in printed


def test_load_shows_what_the_autoscaler_sees(clone: Clone) -> None:
    """Last of these: it adds pods."""

    def pods_and_cpu_are_shown(printed: str) -> None:
        assert re.search(r"^ +\d+ s  \d+ pods  CPU \d+ % of 70 %  .*\d+ 200", printed, re.M), (
            printed
        )

    code, printed = clone.interrupt("load", pods_and_cpu_are_shown)

    assert code == -signal.SIGINT
    assert "Traceback" not in printed


def one(versions: set[str]) -> set[str]:
    assert len(versions) == 1
    return versions
