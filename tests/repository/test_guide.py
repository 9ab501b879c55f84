"""docs/your-own-service.md, followed to the letter in a copy of the repository."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.copying import REPOSITORY, copy, run
from tests.runtime.gunicorn_process import Gunicorn
from tests.runtime.raw import eventually, get

GUIDE = Path("docs/your-own-service.md")
FIRST_LINE = r'# ([\w/.]+)(?:, (at the end|before|instead of))?(?: "([^\n]*)")?'
BLOCK = re.compile(rf"```(?:python|yaml)\n{FIRST_LINE}\n(.*?)```", re.DOTALL)


def follow(directory):
    """Do in a copy what its guide says."""
    for path in ("service/page.py", "tests/service/test_page.py"):
        (directory / path).unlink()
    shutil.rmtree(directory / "service/templates")
    contract = directory / "service/openapi.yaml"
    text, deleted = re.subn(r"(?m)^  /(?:api/echo)?:\n(?:   .*\n)+", "", contract.read_text())
    assert deleted == 2
    contract.write_text(text)
    for block in BLOCK.findall((directory / GUIDE).read_text()):
        put(directory, *block)


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
    follow(directory)
    return directory


def test_every_block_has_a_place():
    text = (REPOSITORY / GUIDE).read_text()

    assert len(BLOCK.findall(text)) == text.count("```python") + text.count("```yaml")


def test_its_tests_pass(orders):
    files = ("tests/service/test_api.py", "tests/service/test_openapi.py")
    result = run(orders, sys.executable, "-m", "pytest", "-q", *files)

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
