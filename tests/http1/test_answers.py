import json
import time
from email.utils import parsedate_to_datetime

from service.http1.answers import Answered, Answers, date, date_of, request_id
from service.http1.head import Request

ANSWERS = Answers("pod-1")
GET, HEAD = (Request("", ("", method, "", "", "", 1), {}, {}) for method in ("GET", "HEAD"))


def split(answer):
    head, _, body = answer.decode().partition("\r\n\r\n")
    return dict(line.split(": ", 1) for line in head.splitlines()[1:]), json.loads(body)


def test_date_is_that_of_its_second():
    assert date_of(0) == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert date_of(1) == "Thu, 01 Jan 1970 00:00:01 GMT"
    assert abs(parsedate_to_datetime(date()).timestamp() - time.time()) < 5
    headers, _ = split(ANSWERS.problem(GET, 400, "No."))
    assert abs(parsedate_to_datetime(headers["Date"]).timestamp() - time.time()) < 5


def test_each_problem_has_its_own_details():
    _, first = split(ANSWERS.problem(GET, 400, "No host."))
    _, second = split(ANSWERS.problem(GET, 400, "No such method."))
    _, bare = split(ANSWERS.problem(GET, 500))
    assert first == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "No host.",
    }
    assert second["detail"] == "No such method."
    assert bare == {"type": "about:blank", "title": "Internal Server Error", "status": 500}


def test_there_is_no_body_for_head():
    assert ANSWERS.problem(HEAD, 400, "No.").endswith(b"\r\n\r\n")


def test_the_log_knows_status_and_size():
    answered = Answered(ANSWERS.problem(GET, 400, "No."))
    assert answered.status == "400 Bad Request"
    assert answered.sent == len(ANSWERS.problem(GET, 400, "No.").partition(b"\r\n\r\n")[2])


def test_an_id_that_is_a_secret_is_none():
    fields = {"HTTP_X_REQUEST_ID": "secret-token"}
    assert request_id(fields) == "secret-token"
    assert len(request_id(fields, lambda text: text.replace("secret", "***"))) == 32
