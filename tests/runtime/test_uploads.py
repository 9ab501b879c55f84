"""Which large upload begins, waits, or goes."""

from service.runtime.admission import Verdict
from service.runtime.uploads import Uploads


def test_so_many_begin_and_so_many_wait():
    uploads = Uploads(limit=2, queue_length=1, queue_timeout=0.3)
    verdicts = [uploads.offer(name, 0.0) for name in "abcd"]
    assert verdicts == [Verdict.RUN, Verdict.RUN, Verdict.WAIT, Verdict.REFUSE]
    assert uploads.leave("somebody else") is None
    assert uploads.leave("a") == "c"
    assert uploads.leave("b") is None
    assert uploads.begun == {"c"}


def test_one_that_has_a_place_does_not_press():
    uploads = Uploads(limit=1, queue_length=2, queue_timeout=0.3)
    for name in "abc":
        uploads.offer(name, 0.0)
    uploads.press("a")
    assert not uploads.pressing
    uploads.press("b")
    uploads.press("c")
    assert uploads.leave("a") == "b"
    assert uploads.pressing == {"c"}
    assert not uploads.forget("b")
    assert uploads.forget("c")
    assert not uploads.pressing and not uploads.waiting


def test_waiting_has_an_end():
    uploads = Uploads(limit=1, queue_length=2, queue_timeout=0.3)
    for name, now in (("a", 0.0), ("b", 0.0), ("c", 0.1)):
        uploads.offer(name, now)
    assert uploads.take_expired(0.3) == ["b"]
    assert uploads.leave("a") == "c"
