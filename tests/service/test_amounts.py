import time

import pytest

BYTES = "a whole number from 1 to 8388608"
CODES = (
    "status codes from 200 to 599, with weights from 1 to 999 if they are several, "
    "as in 503 or 200:9,503:1"
)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("wait?seconds=2.001", "seconds='2.001' is not allowed: a number from 0 to 2"),
        ("wait?seconds=-1", "seconds='-1' is not allowed: a number from 0 to 2"),
        ("wait?seconds=", "seconds='' is not allowed: a number from 0 to 2"),
        ("wait?seconds=nan", "seconds='nan' is not allowed: a number from 0 to 2"),
        ("wait?seconds=1e9", "seconds='1e9' is not allowed: a number from 0 to 2"),
        ("wait?seconds=%D9%A1", r"seconds='\u0661' is not allowed: a number from 0 to 2"),
        (
            "wait?seconds=" + "9" * 5000,
            f"seconds='{'9' * 80}' is not allowed: a number from 0 to 2",
        ),
        ("cpu?seconds=3", "seconds='3' is not allowed: a number from 0 to 2"),
        ("hang?seconds=3", "seconds='3' is not allowed: a number from 0 to 2"),
        ("stream?interval=0", "interval='0' is not allowed: a number from 0.01 to 2"),
        ("stream?interval=3", "interval='3' is not allowed: a number from 0.01 to 2"),
        ("stream?chunks=0", "chunks='0' is not allowed: a whole number from 1 to 21"),
        ("stream?chunks=22", "chunks='22' is not allowed: a whole number from 1 to 21"),
        ("stream?chunks=1.5", "chunks='1.5' is not allowed: a whole number from 1 to 21"),
        ("stream?rate=0", f"rate='0' is not allowed: {BYTES}"),
        ("stream?rate=8388609", f"rate='8388609' is not allowed: {BYTES}"),
        ("stream?rate=1&seconds=3", "seconds='3' is not allowed: a number from 0 to 2"),
        ("memory?bytes=0", f"bytes='0' is not allowed: {BYTES}"),
        ("memory?bytes=8388609", f"bytes='8388609' is not allowed: {BYTES}"),
        ("memory?bytes=1Mi", f"bytes='1Mi' is not allowed: {BYTES}"),
        ("memory?bytes=1&seconds=3", "seconds='3' is not allowed: a number from 0 to 2"),
        ("fail?seconds=3", "seconds='3' is not allowed: a number from 0 to 2"),
        ("fail?share=1.1", "share='1.1' is not allowed: a number from 0 to 1"),
        ("fail?status=399", "status='399' is not allowed: a whole number from 400 to 599"),
        ("fail?status=600", "status='600' is not allowed: a whole number from 400 to 599"),
        ("status/199", f"codes='199' is not allowed: {CODES}"),
        ("status/600", f"codes='600' is not allowed: {CODES}"),
        ("status/teapot", f"codes='teapot' is not allowed: {CODES}"),
        ("status/200:9,", f"codes='200:9,' is not allowed: {CODES}"),
        ("status/200:0", f"codes='200:0' is not allowed: {CODES}"),
        ("status/200:1000", f"codes='200:1000' is not allowed: {CODES}"),
        ("status/200,503:1.5", f"codes='200,503:1.5' is not allowed: {CODES}"),
        ("readiness/maybe", "state='maybe' is not allowed: on or off"),
        ("exit/256", "code='256' is not allowed: a whole number from 0 to 255"),
        ("exit/-1", "code='-1' is not allowed: a whole number from 0 to 255"),
    ],
)
def test_amounts_are_capped(chaos, path, allowed):
    start = time.monotonic()
    response = chaos(path, "POST")

    assert (response.status_code, response.json["status"]) == (422, 422)
    assert response.content_type == "application/problem+json"
    assert response.json["detail"] == allowed
    assert time.monotonic() - start < 0.5
