"""What docs/your-own-service.md says to those who know Flask, beside Flask itself."""

from pathlib import Path

import pytest
from flask import Blueprint, Flask, request
from werkzeug.exceptions import HTTPException

from service import create_app
from service.config import Config

GUIDE = (Path(__file__).parents[2] / "docs/your-own-service.md").read_text()
SECTION = GUIDE.split("\n### Beside plain Flask\n")[1].split("\n### ")[0]
MOST = 10  # bytes of a body


def endpoints():
    bp = Blueprint("api", __name__)

    @bp.post("/a/<int:most>")
    def read(most):
        request.max_content_length = most
        return str(len(request.get_data()))

    @bp.get("/a/b")
    def fail():
        raise ValueError

    return bp


def plain():
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MOST
    app.register_blueprint(endpoints())
    return app


@pytest.fixture
def ours():
    app = create_app(Config(max_content_length=MOST), endpoints())
    yield app
    app.extensions["closing"].close()


def posted(app, most):
    return app.test_client().post(f"/a/{most}", data=b"x" * 8 if most < 8 else b"x" * 12)


def test_a_view_can_lower_the_limit_of_a_body(ours):
    assert "lower `request.max_content_length`, and cannot raise it" in SECTION
    assert [posted(app, 5).status_code for app in (plain(), ours)] == [413, 413]
    assert [posted(app, 20).status_code for app in (plain(), ours)] == [200, 413]


@pytest.mark.parametrize(
    ("kind", "of_flask", "of_ours"),
    [(Exception, 418, 404), (HTTPException, 418, 418), (404, 418, 418)],
)
def test_which_handlers_see_http_errors(ours, kind, of_flask, of_ours):
    assert "`errorhandler(Exception)` does not see HTTP errors" in SECTION
    for app, status in ((plain(), of_flask), (ours, of_ours)):
        app.register_error_handler(kind, lambda error: ("mine", 418))
        assert app.test_client().get("/nowhere").status_code == status


def test_a_handler_of_exceptions_sees_the_others(ours):
    ours.register_error_handler(Exception, lambda error: ("mine", 418))

    assert ours.test_client().get("/a/b").status_code == 418


def test_two_slashes_are_no_redirect(ours):
    assert "`/a//b` is 404" in SECTION
    assert [app.test_client().get("/a//b").status_code for app in (plain(), ours)] == [308, 404]
