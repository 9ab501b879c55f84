"""docs/your-own-service.md, followed to the letter in a copy of the repository."""

import sys

import pytest

from tests.copying import REPOSITORY, copy, run
from tests.repository.following import (
    BARE,
    BARE_ROWS,
    BLOCK,
    DATABASE,
    DELETED,
    GUIDE,
    ROWS,
    follow,
    follow_without_database,
    put_rows,
)
from tests.runtime.gunicorn_process import Gunicorn
from tests.runtime.raw import eventually, get

both = pytest.mark.parametrize("service", ["orders", "words"], indirect=True)


@pytest.fixture(scope="module")
def orders(tmp_path_factory):
    """The service of the guide."""
    directory = copy(tmp_path_factory.mktemp("orders"))
    follow(directory)
    return directory


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """The service without a database."""
    directory = copy(tmp_path_factory.mktemp("words"))
    follow_without_database(directory)
    return directory


@pytest.fixture
def service(request):
    """One of the two."""
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("page", [GUIDE, BARE, DATABASE])
def test_every_block_has_a_place(page):
    text = (REPOSITORY / page).read_text()
    languages = ("python", "yaml", "toml")

    assert len(BLOCK.findall(text)) == sum(text.count(f"```{each}") for each in languages)


def test_names_each_file_to_delete_something_in():
    text = (REPOSITORY / GUIDE).read_text()

    assert [path for path, *_ in DELETED if f"\n| `{path}` |" not in text] == []


@both
def test_its_tests_pass(service):
    files = ("test_api.py", "test_price.py", "test_openapi.py")
    tests = [path for file in files if (service / (path := f"tests/service/{file}")).exists()]
    result = run(service, sys.executable, "-m", "pytest", "-q", *tests)

    assert result.returncode == 0, result.stdout[-3000:]


@pytest.mark.parametrize(
    ("service", "rows"), [("orders", ROWS), ("words", BARE_ROWS)], indirect=["service"]
)
def test_documents_with_its_rows_pass(service, rows):
    put_rows(service, rows)
    page = "tests/documents/test_documents.py"
    result = run(
        service, sys.executable, "-m", "pytest", "-q", page, "-k", "settings or metric or endpoints"
    )

    assert result.returncode == 0, result.stdout[-3000:]
    assert "skipped" not in result.stdout


@both
@pytest.mark.parametrize(
    "tool", [("ruff", "check", "service"), ("ruff", "format", "--check", "service"), ("mypy",)]
)
def test_its_code_is_clean(service, tool):
    result = run(service, sys.executable, "-m", *tool)

    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CURRENCY", "eur"),
        ("PRICES", "http://a,http://b"),
        ("PRICES", "ftp://a"),
        ("PRICES", "http://localhost:8000"),  # itself
    ],
)
def test_a_wrong_setting_ends_the_start(orders, name, value):
    result = run(orders, sys.executable, "-m", "service", "--check-config", **{name: value})

    assert result.returncode != 0
    assert f"{name}='{value}' is not allowed: " in result.stdout + result.stderr


def test_readiness_follows_the_database(orders, tmp_path):
    class Orders(Gunicorn):
        directory = orders

    place = tmp_path / "volume"
    with Orders(DATABASE=f"{place}/orders.db") as server:
        status, _, body = get(server.management, "/readyz")
        assert (status, body) == (503, b'{"status": "waiting", "for": ["database"]}\n')
        assert get(server.management, "/healthz")[0] == 200
        place.mkdir()
        eventually(lambda: get(server.management, "/readyz")[0] == 200, seconds=30)
        place.rename(tmp_path / "elsewhere")  # at once: the service may be writing there
        eventually(lambda: get(server.management, "/readyz")[0] == 503, seconds=30)
        assert get(server.management, "/healthz")[0] == 200
