"""gunicorn's own errors (a request it cannot parse, an app that raised) as problem details."""

from collections.abc import Callable
from typing import Any

from service.runtime.answers import TITLES, Answers


class Capture:
    """Stands in for the socket while gunicorn writes the error page that nobody gets to see."""

    def __init__(self) -> None:
        self.page = b""

    def gettimeout(self) -> float:
        """Be non-blocking, so that gunicorn changes nothing."""
        return 0.0

    def sendall(self, data: bytes) -> None:
        """Keep the page."""
        self.page += data


def as_problem(
    answers: Answers, head: bytes, error: BaseException, handle_error: Callable[[Any], None]
) -> bytes:
    """Have gunicorn log the error and choose a status, and say the same as problem details."""
    capture = Capture()
    handle_error(capture)
    line = capture.page.partition(b"\r\n")[0].decode("latin-1")
    _, status, title = (line or "HTTP/1.1 500 Internal Server Error").split(" ", 2)
    title = TITLES.get(int(status), title)  # gunicorn calls 501 a bad request
    detail = answers.conceal(str(error))[:200] if status != "500" else ""
    return answers.problem(int(status), detail, title=title, head=head)
