"""Load that makes the autoscaler add pods, and what it does."""

import mimetypes
import os
import re
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from local.clients import CLIENTS, RATE, Request, Seen, ask, client
from local.steps import Failure, output

SECONDS = 120  # it decides every 15 s, and at most doubles
EVERY = 5  # seconds between two lines
CPU = "{.status.currentMetrics[0].containerResource.current.averageUtilization}"
LOOK = "{.status.currentReplicas} " + CPU


def asked(environ: dict[str, str]) -> Request:
    """Return the request of URL, METHOD, BODY or BODY_FILE, and TYPE.

    Raises Failure where they make none.
    """
    path, body = environ.get("URL") or "/", sent(environ)
    has_body = bool(body or environ.get("BODY_FILE"))
    method = environ.get("METHOD") or ("POST" if has_body else "GET")
    if not re.fullmatch("/[!-~]*", path):
        raise Failure(f"URL={path!a} is not allowed: a path such as /api/orders?state=open")
    if not re.fullmatch("[A-Z]+", method):
        raise Failure(f"METHOD={method!a} is not allowed: a method such as POST")
    media_type = environ.get("TYPE") or guessed(environ.get("BODY_FILE", ""), body)
    if not re.fullmatch("[!-~][ -~]*", media_type):
        raise Failure(f"TYPE={media_type!a} is not allowed: a media type such as image/png")
    headers = {"Connection": "close"} | ({"Content-Type": media_type} if has_body else {})
    return Request(path, method, body if has_body else None, headers)


def sent(environ: dict[str, str]) -> bytes:
    """Return BODY as it was typed, or what BODY_FILE holds. That may have a NUL."""
    typed, file = environ.get("BODY", ""), environ.get("BODY_FILE", "")
    if typed and file:
        raise Failure("BODY and BODY_FILE are not allowed together")
    try:
        return Path(file).read_bytes() if file else os.fsencode(typed)
    except OSError as problem:
        raise Failure(f"BODY_FILE={file!a} is not allowed: {problem.strerror}") from None


def guessed(file: str, body: bytes) -> str:
    """Return the media type of a file's name, or that of JSON or text."""
    if file:
        return mimetypes.guess_type(file)[0] or "application/octet-stream"
    return "application/json" if body[:1] in (b"{", b"[") else "text/plain; charset=utf-8"


def load(
    url: str, kubectl: tuple[str, ...], name: str, request: Request, seconds: int = SECONDS
) -> None:
    """Send requests for some seconds, and print what becomes of them and of the pods.

    Raises Failure where the service does not want such requests at all.
    """
    seen, stop = Seen(), threading.Event()
    what = f"{request.method} {url}{request.path}"
    if refusal := refused(urlsplit(url).netloc, request):
        raise Failure(f"{what} answers {refusal}; make load URL=/a/path that answers 2xx")
    print(f"{what} for {seconds} s; Ctrl-C ends it sooner")
    print(
        f"{CLIENTS} clients, at most {RATE} requests a second: each waits for its answer, so the "
        "rate falls to what is served",
        flush=True,
    )
    for _ in range(CLIENTS):
        arguments = (urlsplit(url).netloc, request, seen, stop)
        threading.Thread(target=client, args=arguments, daemon=True).start()
    try:
        for passed in range(EVERY, seconds + 1, EVERY):
            time.sleep(EVERY)
            print(f"{passed:4d} s  {line(seen, output(*kubectl, *look_at(name)))}", flush=True)
    finally:
        stop.set()
    print("Pods that are too many leave one a minute, after two minutes without load.")


def refused(address: str, request: Request) -> str:
    """Return the status by which a first answer calls the request wrong, if it does."""
    first = Seen()
    ask(address, request, first)
    # Not 409 and 429: one that creates may be there already, and many are what load is for.
    wrong = "40[01345]|415|422"
    return next((one for one in first.outcomes if re.fullmatch(wrong, one)), "")


def look_at(name: str) -> tuple[str, ...]:
    """Return what to ask kubectl for: pods and CPU, as the autoscaler sees them."""
    return "get", f"hpa/{name}", f"-o=jsonpath={LOOK}"


def line(seen: Seen, autoscaler: str) -> str:
    """Return what happened since the last line; the counts are of the whole time."""
    pods, _, cpu = autoscaler.strip().partition(" ")
    rate, p99 = seen.look()
    slowest = "?" if p99 is None else f"{1000 * p99:.0f}"
    counts = ", ".join(f"{number} {what}" for what, number in sorted(seen.outcomes.items()))
    return (
        f"{pods or '?'} pods  CPU {cpu or '?'} % of 70 %  {rate:.0f}/s  p99 {slowest} ms  {counts}"
    )
