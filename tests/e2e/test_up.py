"""make up, again after an edit, logs, load and make down: on a kind cluster of their own."""

import re
import signal
from collections.abc import Iterator
from contextlib import chdir

import pytest

from .app import Http
from .clone import ALL_OF_IT, Clone
from .commands import running
from .waiting import eventually


@pytest.fixture(scope="module")
def clone(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    if pytestconfig.getoption("context"):
        pytest.skip("make up creates a kind cluster")
    clone = Clone.under(tmp_path_factory.mktemp("up"))
    try:
        assert f"{clone.url} reaches all pods" in clone.make("up")
        yield clone
    finally:
        clone.make("down")


def test_the_port_reaches_all_pods(clone: Clone) -> None:
    def all_pods_answer() -> None:
        assert len(clone.pods()) >= 2  # the autoscaler adds the second within 15 s
        assert {answer.headers["X-Pod-Name"] for answer in ask(clone)} == clone.pods()

    eventually(all_pods_answer, seconds=120)


def test_up_again_after_an_edit_rolls_over(clone: Clone) -> None:
    old = versions(ask(clone))
    assert len(old) == 1
    clone.copy.say("Edited in")
    answers = []

    def seen() -> set[str]:
        latest = ask(clone)
        answers.extend(latest)
        return versions(latest)

    def both_versions_answer() -> None:
        assert old < seen()

    def only_the_new_one_answers() -> None:
        assert not seen() & old

    with (
        chdir(clone.folder),
        running("make", "up", until="Waiting for the pods", env=clone.env, seconds=ALL_OF_IT),
    ):
        eventually(both_versions_answer, seconds=120, every=0.1)
        eventually(only_the_new_one_answers, seconds=120)

    assert Http(clone.url).get("/version").json()["flask"] == "Edited in"
    assert {answer.status for answer in answers} == {200}


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


def ask(clone: Clone) -> list:
    """Ask who answers, so often that hardly any of a few pods has no turn."""
    return [Http(clone.url).get("/api/identity") for _ in range(30)]


def versions(answers: list) -> set[str]:
    return {answer.json()["version"] for answer in answers if answer.status == 200}
