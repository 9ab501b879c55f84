"""A fork on its first day, with the service of a guide, passes checks and tests.

That with PostgreSQL runs all of them. The others run what their service can break.
"""

import re

import pytest

from tests.copying import copy, git
from tests.repository.following import (
    BARE,
    BARE_ROWS,
    GONE,
    GUIDE,
    ROWS,
    follow,
    follow_with_database,
    follow_without_database,
    put_rows,
)
from tests.repository.forking import borrow, fork, make
from tests.repository.postgres import Postgres

NAME = "order-desk"  # a hyphen is legal in the name of an object, and not in that of a metric


@pytest.fixture(scope="module")
def orders(tmp_path_factory):
    directory = fork(tmp_path_factory.mktemp("orders"), NAME)
    follow_with_database(directory)
    make(directory, "fix")
    return directory


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """The service of the guide, which keeps its orders in a file, in a clone that has its name."""
    directory = borrow(copy(tmp_path_factory.mktemp("file")))
    follow(directory)
    put_rows(directory, ROWS)
    return directory


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """The service without a database, renamed."""
    directory = fork(tmp_path_factory.mktemp("words"), "word-desk")
    follow_without_database(directory)
    put_rows(directory, BARE_ROWS, "word_desk")
    make(directory, "fix")
    return directory


@pytest.mark.parametrize("service", ["orders", "file", "words"])
def test_make_check_passes(request, service):
    make(request.getfixturevalue(service), "check")


# What reads files that the guides change. The rest, most of the time, asks an app of its own.
NAMES = ("api", "config", "metrics", "openapi", "setting_files")
THEIRS = " ".join(
    (
        *(f"tests/service/test_{name}.py" for name in NAMES),
        "tests/manifests/test_kubernetes.py tests/manifests/test_text.py tests/documents",
        "tests/process/test_gunicorn_conf.py",
    )
)
ALONE = "--numprocesses=0"  # each more process imports all of it again
# Both read docs/promises.md, which leaves with make rename.
KEPT = " ".join(
    f"--deselect=tests/documents/test_documents.py::test_{name}"
    for name in ("proofs_exist", "links_lead_somewhere[promises.md]")
)


@pytest.mark.parametrize("service", ["file", "words"])
def test_make_test_passes_where_it_is_theirs(request, service):
    left_out = KEPT if service == "file" else ""
    make(request.getfixturevalue(service), "test", f"QUICK={THEIRS}", f"PYTEST={ALONE} {left_out}")


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
