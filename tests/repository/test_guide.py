"""docs/your-own-service.md, followed to the letter in a copy of the repository."""

import re
import shutil
import sys

import pytest

from tests.repository.copying import REPOSITORY, copy, run
from tests.runtime.gunicorn_process import Gunicorn
from tests.runtime.raw import eventually, get

GUIDE = (REPOSITORY / "docs/your-own-service.md").read_text()
FIRST_LINE = r'# ([\w/.]+)(?:, (at the end|before|instead of))?(?: "([^\n]*)")?'
BLOCKS = re.findall(rf"```python\n{FIRST_LINE}\n(.*?)```", GUIDE, re.DOTALL)


def put(directory, path, how, anchor, code):
    """Write a file, or add to it, as the first line of a block says."""
    file = directory / path
    if not how:
        file.write_text(code)
        return
    text = file.read_text()
    if how == "at the end":
        file.write_text(f"{text}\n\n{code}")
        return
    assert text.count(anchor) == 1, f"{anchor!r} in {path}"
    file.write_text(
        text.replace(anchor, code.rstrip("\n") if how == "instead of" else code + anchor)
    )


@pytest.fixture(scope="module")
def orders(tmp_path_factory):
    """The service of the guide."""
    directory = copy(tmp_path_factory.mktemp("orders"))
    for path in ("service/page.py", "tests/service/test_page.py"):
        (directory / path).unlink()
    shutil.rmtree(directory / "service/templates")
    for block in BLOCKS:
        put(directory, *block)
    return directory


def test_every_block_has_a_place():
    assert len(BLOCKS) == GUIDE.count("```python")


def test_its_tests_pass(orders):
    result = run(orders, sys.executable, "-m", "pytest", "-q", "tests/service/test_api.py")

    assert result.returncode == 0, result.stdout[-3000:]


@pytest.mark.parametrize(
    "tool", [("ruff", "check", "service"), ("ruff", "format", "--check", "service"), ("mypy",)]
)
def test_its_code_is_clean(orders, tool):
    result = run(orders, sys.executable, "-m", *tool)

    assert result.returncode == 0, result.stdout


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
