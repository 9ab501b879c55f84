"""Tests that stay in a fork ask nothing of service/api.py, which its owner replaces."""

import re

import pytest
from flask import Blueprint
from werkzeug.exceptions import HTTPException

from service import create_app
from service.config import Config
from tests.copying import REPOSITORY
from tests.repository.following import GONE

# The page's tests go with it, and those of the database are about the service of the guide.
LEFT_OUT = {*GONE, "tests/e2e/test_database.py"}
FILES = {
    file.name: file.read_text()
    for file in sorted(REPOSITORY.glob("tests/e2e/*.py"))
    if str(file.relative_to(REPOSITORY)) not in LEFT_OUT
}
METHOD = "(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)"
# A path behind what makes it one that is asked for; some end with what is not known here.
ASKED = re.compile(
    rf"""(?:
      \["{METHOD}",\ f?"  # of the load
    | \b(?:get|post|serves|answers)\((?:\w+,\ )?f?"
    | \b{METHOD}[ ]
    | \b(?:80|8000|9000),\ "
    | :8000 | \.svc | \baddress(?:\[0\])?\}}
    )(/[\w./-]*+)(?!\{{)""",
    re.VERBOSE,
)
# Missing on purpose; made by the test; the API server's.
OTHERS = {"/no/such/path", "/followed", "/slow", "/proxy"}
ALL = {name: set(ASKED.findall(text)) - OTHERS for name, text in FILES.items()}


@pytest.fixture(scope="module")
def routes():
    app = create_app(Config(chaos_token="a-token-for-the-tests"), Blueprint("api", __name__))  # noqa: S106
    return app.url_map.bind("a")


def answered(routes, path):
    try:
        return bool(routes.match(path))
    except HTTPException as problem:
        return problem.code == 405  # by another method


@pytest.mark.parametrize("name", [name for name, paths in ALL.items() if paths])
def test_asks_what_every_fork_has(routes, name):
    assert [path for path in sorted(ALL[name]) if not answered(routes, path)] == []


def test_paths_are_found():
    found = set().union(*ALL.values())

    assert {"/version", "/api/identity", "/api/chain", "/healthz", "/chaos/kill"} <= found
    assert {"/", "/api/echo"} <= set(ASKED.findall('[["GET", "/"], ["POST", "/api/echo"]]'))


@pytest.mark.parametrize("text", ["Hello from", ".browser import", "service/page.py"])
def test_expects_nothing_of_the_page(text):
    assert [name for name in FILES if text in FILES[name]] == []


# An app of service/api.py: in this process, or in one of its own.
OF_API = re.compile(
    r"from service import .*\bcreate_app|\bservice\.create_app\(|\bGunicorn\((?!\*(?!\*))"
)
# These are about that app: that it starts, that it keeps its contract, and what its routes stand.
ABOUT_IT = {"tests/process/test_gunicorn_conf.py", "tests/fuzz/test_openapi.py"}
STANDS = "\n\n\ndef test_real_server("


@pytest.mark.parametrize("folder", ["process", "timing", "runtime", "http1", "fuzz", "commands"])
def test_brings_an_app_of_its_own(folder):
    """What stands in service/api.py may lack its database, or have one of the same name."""
    files = REPOSITORY.glob(f"tests/{folder}/*.py")
    names = {str(file.relative_to(REPOSITORY)) for file in files} - {*GONE, *ABOUT_IT}
    texts = {name: (REPOSITORY / name).read_text().partition(STANDS) for name in sorted(names)}

    assert texts
    assert [name for name, (text, *_) in texts.items() if OF_API.search(text)] == []
