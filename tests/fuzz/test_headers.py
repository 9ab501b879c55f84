"""Values of headers, queries and bodies with a few characters changed, on every route.

The app gets them in this process, also those that no server would let through, and once behind the
real one. Whatever was sent, the app says what the client did wrong, and logs no error.
"""

import io
import json
import logging
import random
import re
from dataclasses import replace

import pytest
from flask import abort, jsonify, redirect, request, send_file, url_for
from werkzeug.test import create_environ, run_wsgi_app

import service
from service import tracing
from tests.fuzz.test_requests import mutate as mutate_bytes
from tests.process.collector import Collector
from tests.runtime.gunicorn_process import Gunicorn
from tests.runtime.invariants import SAYING, TASKS, assert_unharmed
from tests.runtime.raw import is_problem, responses, send
from tests.service import sample

SEED = 20261128  # of the short run
SHORT, LONG = 4_000, 200_000  # requests in this process
TOKEN = "a-token-for-the-tests"
OUTAGES = {502, 503, 504}  # an endpoint of a fork may depend on others, and none of these is here

DATE = "Fri, 27 Nov 2026 10:00:00 GMT"
# By header, what it is like when it is right, and what parsers stumble over.
VALUES = {
    "Accept": ["text/html;q=0.5,*/*;q=1", "text/html;q=" + "9" * 400, "a/b;q=nan", "*"],
    "Accept-Charset": ["utf-8;q=0.7,*", "\0", "idna", "undefined"],
    "Accept-Encoding": ["gzip, identity;q=0", "gzip;q=inf"],
    "Accept-Language": ["en-GB,en;q=0.9", "-", "a-b-c-d-e"],
    "Access-Control-Request-Headers": ["X-A, X-B", '"a'],
    "Authorization": [
        "Bearer " + TOKEN,
        "Basic YTpi",
        "Basic \xff\xff",
        "Basic =",
        "Digest a=b, c",
    ],
    "Cache-Control": ["max-age=0", "max-age=" + "9" * 5000, 'no-cache="a, b"', "max-stale"],
    "Content-Length": ["0", "-1", "9" * 5000, "\xb2", "1_0"],
    "Content-Type": [
        "application/json",
        "application/json; charset=zip",
        "application/x-www-form-urlencoded; charset=idna",
        "multipart/form-data; boundary=b",
        "multipart/form-data; boundary=\xff",
        "multipart/form-data; boundary=" + "a" * 500,
        "text/plain; a*0*=utf-8''%ff; a*1=b",
        "x; a*=utf-16''%ff%fe%00",
    ],
    "Cookie": ["a=b; session=x", 'a="\\377\\400"', "=;=;", "a" * 5000],
    "Date": [DATE],
    "Expect": ["100-continue"],
    "Host": ["a:8000", "[::1]:80", "[:::]", "xn--a.b", "a..b", "\xff", "a" * 64 + ".b"],
    "If-Match": ['"a", W/"b"', "*", '"'],
    "If-Modified-Since": [DATE],
    "If-None-Match": ['"a", W/"b"', "*", '"'],
    "If-Range": ['"a"', 'W/"a', DATE, 'a"b'],
    "If-Unmodified-Since": [DATE],
    "Max-Forwards": ["1", "\xb2", "9" * 5000],
    "Pragma": ["no-cache", '"'],
    "Range": ["bytes=0-1,3-", "bytes=-" + "9" * 5000, "bytes=-", "items=a-b"],
    "Transfer-Encoding": ["chunked", "gzip, chunked", '"chunked'],
    "Upgrade": ["websocket", "h2c"],
    "User-Agent": ["curl/8", "\xff"],
    "X-Forwarded-For": ["192.0.2.1, 10.0.0.1", "[::1]:80", "1.2.3.4:99999"],
    "X-Forwarded-Host": ["a.test", "[:::]", "xn--a"],
    "X-Forwarded-Proto": ["https", "ftp"],
    "X-Request-ID": ["one", "a b"],
    "traceparent": ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-" + "f" * 55],
    "tracestate": ["a=1,b=2", "=", "a" * 600],
}
DATES = [
    DATE.replace("2026", "99999999999999999999"),
    DATE.replace("27", "9" * 30),
    DATE.replace("10:00", "99999999999999999999:00"),
    DATE.replace("GMT", "+99999999999999999999"),
    DATE.replace("GMT", "-2400"),
    DATE.replace("2026", "0"),
    "Mon, 01 Jan 1 00:00:00 +2359",
]
DATED = ("Date", "If-Modified-Since", "If-Range", "If-Unmodified-Since")
for dated in DATED:
    VALUES[dated] += DATES
ANY = [value for values in VALUES.values() for value in values]
CHARACTERS = [
    chr(code) for code in (*range(33), *b"\"%'(),/;<=>?@[\\]{}~", 127, 128, 133, 160, 255)
]

QUERIES = [
    "a=1&a=2&b=",
    "seconds=1",
    "a=\xff",
    "%ff=%",
    "&&=&",
    "close",
    "a=" + "9" * 5000,
    "=;",
    "\0",
]
PART = 'Content-Disposition: form-data; name="a"{}\r\n\r\nx\r\n'
BODIES = [
    b'{"a": [1, 2.5, null, "\\ud800"]}',
    b"[" * 100_000,
    b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    b"9" * 5000,
    b"\xff\xfe[\x001\x00]\x00",
    b"a=1&b=%ff&c=\xff",
    b"&" * 2000,
    ("--b\r\n" + PART.format("") + "--b--\r\n").encode(),
    ("--b\r\n" + PART.format('; filename="\xff"\r\nContent-Type: x; charset=y')).encode(),
    ("--b\r\n" + PART.format("; filename*=utf-8''%ff") + "--b--\r\n").encode(),
    b"--b\r\nContent-Disposition: form-data; name*0*=x''%\r\nContent-Length: x\r\n\r\n\r\n--b--",
    b"--b\r\n" * 1100,
]


def mutate(text, chance):
    """Change a few characters of a value, or mix it with another."""
    for _ in range(chance.choice((0, 0, 1, 1, 2, 3))):
        at = chance.randrange(len(text) + 1)
        end = chance.randrange(at, len(text) + 1)
        other = chance.choice(ANY)
        text = chance.choice(
            (
                text[:at] + chance.choice(CHARACTERS) + text[at:],
                text[:at] + chance.choice(CHARACTERS) + text[at + 1 :],
                text[:at] + text[end:],
                text[:end] + text[at:],
                text[:at] + other[chance.randrange(len(other) + 1) :],
                text + chance.choice((",", ";", ", ", " ")) + other,
                text[:at] + text[at : at + 1] * chance.choice((2, 60, 3000)) + text[at + 1 :],
            )
        )
    return text


def choose_headers(chance):
    """Return a few headers; most values are what the header is for."""
    names = chance.sample(sorted(VALUES), chance.choice((1, 1, 2, 3, 6)))
    return {
        name: mutate(chance.choice(VALUES[name] if chance.random() < 0.8 else ANY), chance)
        for name in names
    }


def choose_body(chance):
    body = chance.choice(BODIES)
    return mutate_bytes(body, chance) if chance.random() < 0.7 else body


def read_everything():
    """Do with a request what handlers do."""
    for name in sorted(dir(request)):
        if not name.startswith("_") and name not in ("json", "application", "from_values"):
            value = getattr(request, name)
            repr(value), str(value)
            if hasattr(value, "to_header") and not isinstance(value, type):
                value.to_header()
    for accepted in (
        request.accept_mimetypes.best_match(["text/html", "application/json"]),
        request.accept_charsets.best_match(["utf-8", "latin-1"]),
        request.accept_encodings.best_match(["gzip", "br"]),
        request.accept_languages.best_match(["en", "de-CH"]),
    ):
        assert accepted is None or accepted
    sent = [[file.name, file.filename, len(file.read())] for file in request.files.values()]
    return jsonify(
        request.form, request.args, request.cookies, sent, url_for("all", _external=True)
    )


def conditional():
    kept = {"last_modified": 1_700_000_000, "etag": "a", "conditional": True}
    response = send_file(io.BytesIO(b"abcdef"), "text/plain", **kept)
    return abort(412) if response.status_code == 412 else response


def build(config):
    """Return an app with handlers as a fork may have."""
    app = sample.create_app(config)
    every = {"methods": ["GET", "POST"]}
    app.add_url_rule("/all", "all", read_everything, **every)
    app.add_url_rule("/json", "json", lambda: jsonify(request.json), **every)
    app.add_url_rule("/silent", "silent", lambda: jsonify(request.get_json(True, True)), **every)
    app.add_url_rule("/form", "form", lambda: request.form["a"] + request.files["b"].name, **every)
    app.add_url_rule("/conditional", "conditional", conditional, **every)
    app.add_url_rule("/redirect", "redirect", lambda: redirect(request.url), **every)
    app.add_url_rule("/slash/", "slash", lambda: request.base_url, **every)
    app.add_url_rule("/by/<int:number>/<path:rest>", "by", lambda number, rest: rest, **every)
    return app


@pytest.fixture
def apps(config):
    """That app as it is by default, and with all that it can have."""
    with Collector() as collector:
        everything = replace(
            config,
            chaos_token=TOKEN,
            chaos_max_seconds=0.01,
            chaos_max_bytes=1000,
            trusted_proxies="127.0.0.1",
            otel_exporter_otlp_endpoint=collector.url,
            max_content_length=200_000,
        )
        apps = [build(config), build(everything)]
        yield apps
        assert tracing.stop(apps[1], 5)
    for app in apps:
        app.extensions["closing"].close()


def paths(app):
    """Return a path of each route but those that end the process, or are meant to fail it."""
    rules = [rule.rule for rule in app.url_map.iter_rules()]
    rules = [rule for rule in rules if not re.search("kill|exit|fail|/status/", rule)]
    values = {"<int:number>": "1", "<path:rest>": "a/b", "<state>": "on"}
    for name, value in values.items():
        rules = [rule.replace(name, value) for rule in rules]
    return [*rules, "/slash", "/nope", "/chaos/status/404", "/chaos/status/\xff", "//"]


def choose_environ(chance, path):
    headers = choose_headers(chance)
    environ = create_environ(path, method=chance.choice(("GET", "POST", "POST", "HEAD", "OPTIONS")))
    environ["PATH_INFO"] = mutate(path, chance) if chance.random() < 0.2 else path
    query = mutate(chance.choice(QUERIES), chance)
    environ["QUERY_STRING"] = re.sub("[\r\n]", "", query)  # which end the line that it is in
    environ["REMOTE_ADDR"] = "127.0.0.1"
    if chance.random() < 0.6:
        headers.setdefault("Authorization", f"Bearer {TOKEN}")
    if environ["REQUEST_METHOD"] == "POST":
        body = choose_body(chance)
        headers.setdefault("Content-Type", chance.choice(VALUES["Content-Type"]))
        headers.setdefault("Content-Length", str(len(body)))
        environ["wsgi.input"] = io.BytesIO(body)
        environ["wsgi.input_terminated"] = True
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key.startswith("CONTENT_") else f"HTTP_{key}"] = value
    return environ


# Werkzeug leaves the file of a malformed part to the garbage collector. That closes it.
@pytest.mark.filterwarnings("ignore:Unclosed file <tempfile.SpooledTemporaryFile:ResourceWarning")
def test_whatever_is_sent(apps, caplog, seed):
    chance = random.Random(SEED if seed is None else seed)  # noqa: S311
    found, said = {}, set()
    for number in range(SHORT if seed is None else LONG):
        app = apps[number % 2]
        environ = choose_environ(chance, chance.choice(paths(app)))
        shown = {key: value for key, value in environ.items() if "." not in key}
        body, status, headers = run_wsgi_app(app, environ, buffered=True)
        body = b"".join(body)
        code = int(status[:3])
        errors = {each.name for each in caplog.records if each.levelno >= logging.ERROR}
        assert errors <= {*SAYING, TASKS}, (shown, status)
        said |= errors & set(SAYING)
        # The log says so once, when a dependency is down.
        assert code < 500 or (said and code in OUTAGES), (shown, caplog.text[-1000:])
        caplog.clear()
        if code >= 400 and environ["REQUEST_METHOD"] != "HEAD":
            assert headers["Content-Type"] == "application/problem+json", (shown, status)
            assert json.loads(body)["status"] == code
        found[code] = found.get(code, 0) + 1
    print(f"headers: {dict(sorted(found.items()))}")
    assert {200, 302, 304, 308, 400, 401, 404, 405, 413, 415, 422} <= found.keys()


def test_real_server(seed):
    """What the runtime lets through, on every route of service/api.py: a fork's are new."""
    chance = random.Random(SEED if seed is None else seed)  # noqa: S311
    app = service.create_app()
    plain = [path for path in paths(app) if path.isascii()]
    app.extensions["closing"].close()
    statuses = set()
    with Gunicorn(CHAOS_TOKEN=TOKEN, TRUSTED_PROXIES="127.0.0.1") as server:
        for _ in range(500 if seed is None else 50_000):
            headers = {"Host": "a", **choose_headers(chance), "Connection": "close"}
            headers.pop("Expect", None)
            method = chance.choice(("GET", "POST", "HEAD"))
            body = choose_body(chance)[:1000] if method == "POST" else b""
            if not {"Content-Length", "Transfer-Encoding"} & headers.keys() and body:
                headers["Content-Length"] = str(len(body))
            target = f"{chance.choice(plain)}?{mutate(chance.choice(QUERIES), chance)}"
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            sent = f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body
            for status, told, text in responses(send(server.port, sent), method != "HEAD"):
                # 501 is of a transfer coding.
                assert status < 500 or status in (501, *OUTAGES), sent[:500]
                assert status < 400 or method == "HEAD" or is_problem(status, told, text), sent[
                    :500
                ]
                statuses.add(status)
        assert_unharmed(server)
        said = any(record["logger"] in SAYING for record in server.records())
        assert said or not statuses & OUTAGES
