import json
import time
from email.utils import parsedate_to_datetime

from service.runtime.answers import Answers, date

ANSWERS = Answers("pod-1")


def split(answer):
    head, _, body = answer.decode().partition("\r\n\r\n")
    return dict(line.split(": ", 1) for line in head.splitlines()[1:]), json.loads(body)


def test_date_is_that_of_its_second():
    assert date(0) == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert date(1) == "Thu, 01 Jan 1970 00:00:01 GMT"
    headers, _ = split(ANSWERS.problem(400, "No."))
    assert abs(parsedate_to_datetime(headers["Date"]).timestamp() - time.time()) < 5


def test_each_problem_has_its_own_details():
    _, first = split(ANSWERS.problem(400, "No host."))
    _, second = split(ANSWERS.problem(400, "No such method."))
    _, bare = split(ANSWERS.problem(500, "", title="Internal Server Error"))
    assert first == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "No host.",
    }
    assert second["detail"] == "No such method."
    assert bare == {"type": "about:blank", "title": "Internal Server Error", "status": 500}
