"""A fork on its first day, renamed and with the service of both guides, passes checks and tests."""

import pytest

from tests.repository.following import follow_with_database
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
