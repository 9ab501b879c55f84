"""Load that makes the autoscaler add pods, and what it does."""

import http.client
import mimetypes
import os
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from local.steps import Failure, output

CLIENTS = 6
RATE = 300  # requests a second: about three times what the autoscaler wants one pod to do
SECONDS = 120  # it decides every 15 s, and at most doubles
EVERY = 5  # seconds between two lines
CPU = "{.status.currentMetrics[0].containerResource.current.averageUtilization}"
LOOK = "{.status.currentReplicas} " + CPU


@dataclass(frozen=True)
class Request:
    """What is sent."""

    path: str = "/"
    method: str = "GET"
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


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
    """Send requests for some seconds, and print what becomes of them and of the pods."""
    outcomes: Counter[str] = Counter()
    stop = threading.Event()
    for _ in range(CLIENTS):
        threading.Thread(target=client, args=(url, request, outcomes, stop), daemon=True).start()
    what = f"{request.method} {url}{request.path}"
    print(f"{what}, {RATE} times a second for {seconds} s; Ctrl-C ends it sooner", flush=True)
    try:
        for passed in range(EVERY, seconds + 1, EVERY):
            time.sleep(EVERY)
            seen = output(*kubectl, "get", f"hpa/{name}", f"-o=jsonpath={LOOK}")
            pods, _, cpu = seen.strip().partition(" ")
            counts = ", ".join(f"{number} {what}" for what, number in sorted(outcomes.items()))
            line = f"{passed:4d} s  {pods or '?'} pods  CPU {cpu or '?'} % of 70 %  {counts}"
            print(line, flush=True)
    finally:
        stop.set()
    print("Pods that are too many leave one a minute, after two minutes without load.")


def client(url: str, request: Request, outcomes: Counter[str], stop: threading.Event) -> None:
    """Ask again and again, over a new connection each time: that may reach another pod."""
    address = urlsplit(url).netloc
    due = time.monotonic()
    while not stop.is_set():
        connection = http.client.HTTPConnection(address, timeout=5)
        try:
            connection.request(request.method, request.path, request.body, request.headers)
            outcomes[str(connection.getresponse().status)] += 1
        except OSError as error:
            outcomes[type(error).__name__] += 1
        finally:
            connection.close()
        due = max(due + CLIENTS / RATE, time.monotonic() - 1)
        stop.wait(max(0, due - time.monotonic()))
