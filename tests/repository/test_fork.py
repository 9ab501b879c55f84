"""A fork on its first day, renamed and with the service of both guides, passes checks and tests."""

import re

import pytest

from tests.copying import git
from tests.repository.following import BARE, GONE, GUIDE, follow_with_database
from tests.repository.forking import fork, make
from tests.repository.postgres import Postgres

NAME = "order-desk"  # a hyphen is legal in the name of an object, and not in that of a metric


@pytest.fixture(scope="module")
def orders(tmp_path_factory):
    directory = fork(tmp_path_factory.mktemp("orders"), NAME)
    follow_with_database(directory)
    make(directory, "fix")
    return directory


def test_make_check_passes(orders):
    make(orders, "check")


def test_make_test_passes(orders):
    with Postgres() as server:
        server.make_database()
        printed = make(orders, "test", "PYTEST=-rs", DATABASE_URL=server.url)

    assert "DATABASE_URL names no" not in printed


# These ask whether it is there, bring an echo of their own, or say what to delete.
KNOW_IT = ("local/cluster.py", "Makefile", "tests/", str(GUIDE), str(BARE))
LOCK = "requirements-dev.txt"  # is for make lock


def test_nothing_names_what_the_guide_deletes(orders):
    names = [*GONE, "the page", "selenium", "chromium", "/api/echo", "Echo:"]
    mention = re.compile(rf"(?i)(?<!\w)(?:{'|'.join(map(re.escape, names))})(?!\w)")
    files = [name for name in git(orders, "ls-files", "-z").split("\0") if name != LOCK]
    found = {
        name: mentions
        for name in files
        if (orders / name).is_file() and not name.startswith(KNOW_IT)
        if (mentions := mention.findall((orders / name).read_text(errors="replace")))
    }

    assert found == {}
