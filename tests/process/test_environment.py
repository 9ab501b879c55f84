"""What the environment may hold: refused in one sentence, or without any effect on a promise."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from gunicorn.config import KNOWN_SETTINGS

from service.environment import REFUSED
from service.gunicorn_options import LIMITS
from service.gunicorn_options import REFUSED as OPTIONS
from tests.process.namespace import UNSHARE, need
from tests.runtime.gunicorn_process import OURS, REPOSITORY, SAMPLE, Gunicorn
from tests.runtime.raw import connect, get, metric, read_response

CMD = "GUNICORN_CMD_ARGS"
NAMES = {setting.name: setting for setting in KNOWN_SETTINGS}
REFUSED_STARTS = {
    (CMD, "--bind 0.0.0.0:5000"): ("--bind='0.0.0.0:5000' in GUNICORN_CMD_ARGS", OPTIONS["bind"]),
    (CMD, "--workers 4"): ("--workers=4 in GUNICORN_CMD_ARGS", OPTIONS["workers"]),
    (CMD, "--worker-class gthread"): (
        "--worker-class='gthread' in GUNICORN_CMD_ARGS",
        OPTIONS["worker_class"],
    ),
    (CMD, "--daemon"): ("--daemon=True in GUNICORN_CMD_ARGS", OPTIONS["daemon"]),
    (CMD, "--preload"): ("--preload=True in GUNICORN_CMD_ARGS", OPTIONS["preload_app"]),
    (CMD, "--max-requests 50"): ("--max-requests=50 in GUNICORN_CMD_ARGS", OPTIONS["max_requests"]),
    (CMD, "--chdir /no/folder"): (
        "--chdir='/no/folder' in GUNICORN_CMD_ARGS",
        "can't chdir to '/no/folder'",
    ),
    (CMD, "--limit-request-fields 1"): (
        "--limit-request-fields=1 in GUNICORN_CMD_ARGS",
        "at least 10, for probes and scrapes",
    ),
    # gunicorn looks at these before it loads any configuration.
    (CMD, "--no-such"): (CMD, "unrecognized arguments: --no-such"),
    (CMD, "--workers abc"): (CMD, "argument -w/--workers: invalid int value: 'abc'"),
    (CMD, "--name 'a"): (CMD, "No closing quotation"),
    (CMD, "--config other.py"): (
        "--config='other.py' in GUNICORN_CMD_ARGS",
        "the command has another, and that wins",
    ),
    (CMD, "--help"): (CMD, "--help and --version serve nothing"),
    ("WEB_CONCURRENCY", "abc"): ("WEB_CONCURRENCY='abc'", REFUSED["WEB_CONCURRENCY"]),
    ("FORWARDED_ALLOW_IPS", "*"): ("FORWARDED_ALLOW_IPS='*'", REFUSED["FORWARDED_ALLOW_IPS"]),
    **{
        (name, "4"): (f"{name}='4'", instead)
        for name, instead in REFUSED.items()
        if name != "FORWARDED_ALLOW_IPS"
    },
}
ODD = {
    "LANG": "C",
    "LC_ALL": "C",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONUTF8": "0",
    "PYTHONIOENCODING": "ascii",
    "PYTHONINTMAXSTRDIGITS": "640",
    "PYTHONOPTIMIZE": "2",
    "PYTHONWARNINGS": "error",
    "PYTHONDONTWRITEBYTECODE": "1",
    "UMASK": "none",
    "PYTHONHASHSEED": "0",
    "TZ": "Nowhere/Else",
    "TMPDIR": "/no/such/folder",
    "HOME": "/no/such/folder",
    "HTTP_PROXY": "http://127.0.0.1:1",
    "HTTPS_PROXY": "http://127.0.0.1:1",
    "SENDFILE": "yes",
    "WEB_CONCURRENCY": "1",
    "FLASK_DEBUG": "0",
    "FLASK_ENV": "development",
    "NOTIFY_SOCKET": "/no/such/socket",
    CMD: "--workers 1 --name hello --limit-request-line 2000 --limit-request-fields 20 "
    "--limit-request-field_size 1000",
}
# As Prometheus 3 sends them. Its headers are the largest of all that come to every pod.
SCRAPE = (
    "User-Agent: Prometheus/3.16.0\r\n"
    "Accept: application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
    "encoding=delimited;q=0.7,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;"
    "q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;"
    "escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2\r\n"
    "Accept-Encoding: gzip\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\n"
    "Authorization: Bearer x\r\nTraceparent: 00-0af7651916cd43dd8448eb211c80319c-"
    "b7ad6b7169203331-01\r\n"
)


def start(environ, *arguments):
    """Start it; return its exit code and what it printed."""
    done = subprocess.run(
        [sys.executable, *(arguments or OURS)],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "PORT": "0", "MANAGEMENT_PORT": "0", **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def test_what_would_break_a_promise_stops_the_start():
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(start, (dict([given]) for given in REFUSED_STARTS)))

    assert found == [
        (1, f"hellopod: {what} is not allowed: {instead}\n")
        for what, instead in REFUSED_STARTS.values()
    ]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--no-such",), "the command line is not allowed: unrecognized arguments: --no-such"),
        (("-c", "a.py"), "--config='a.py' is not allowed: start `gunicorn` with it"),
        (("-w", "4"), f"--workers=4 is not allowed: {OPTIONS['workers']}"),
    ],
)
def test_the_command_line(arguments, reason):
    assert start({}, *OURS, *arguments) == (1, f"hellopod: {reason}\n")


def test_it_says_what_its_options_are():
    code, said = start({}, *OURS, "--help")
    assert code == 0
    assert said.startswith("usage: python -m service [OPTIONS] [APP_MODULE]\n")
    assert start({}, *OURS, "--version")[0] == 0


def test_gunicorn_itself_may_be_started_with_the_configuration():
    command = ("-m", "gunicorn", "--config", "python:service.gunicorn_conf")
    assert start({}, *command, SAMPLE, "--check-config") == (0, "")
    for given in {CMD: "--workers 4"}, {"PYTHONINSPECT": "1"}, {"PORT": "abc"}:
        code, said = start(given, *command)
        assert code == 1
        assert said.startswith("hellopod: ")
        assert said.count("\n") == 1
    with Gunicorn(*command, SAMPLE) as server:
        assert get(server.port, "/version")[0] == 200
        assert server.stop() == 0


def test_what_has_no_effect():
    with Gunicorn(*OURS, SAMPLE, **ODD) as server:
        assert get(server.management, "/readyz")[0] == 200
        assert get(server.port, "/%C3%A9")[0] == 404
        assert server.wait_for('"path": "/(é)"') == "é"
        assert get(server.port, "/" + "a" * 2000)[0] == 414
        assert get(server.port, "/version", "A: b\r\n" * 20)[0] == 431
        assert get(server.port, "/version", f"A: {'b' * 1000}\r\n")[0] == 431
        with connect(server.port) as sock:
            head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {'9' * 700}\r\n\r\n"
            sock.sendall(head.encode())
            assert read_response(sock)[0] == 413
        assert metric(server.management, "hellopod_worker_restarts_total") == 0
        assert {record["level"] for record in server.records()} == {"INFO"}
        assert server.stop() == 0


def test_a_scrape_fits_into_the_least_limits():
    options = (f"{NAMES[name].cli[-1]}={least}" for name, least in LIMITS.items())
    with Gunicorn(*OURS, SAMPLE, GUNICORN_CMD_ARGS=" ".join(options)) as server:
        assert get(server.management, "/metrics", SCRAPE)[0] == 200
        assert get(server.port, "/metrics", "A: b\r\n" * 10)[0] == 431


@pytest.mark.parametrize(
    ("line", "name", "what"),
    [
        ("pre_request = lambda worker, req: None", "pre_request", "pre_request"),
        ("worker_class = 'gthread'; workers = 4", "--(workers|worker-class)", "work"),
    ],
)
def test_a_configuration_that_builds_on_ours(tmp_path, line, name, what):
    file = tmp_path / "conf.py"
    file.write_text(f"from service.gunicorn_conf import *\n{line}\n")
    command = [sys.executable, "-m", "gunicorn", "--config", file]
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "PORT": "0", "MANAGEMENT_PORT": "0"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    reasons = "|".join(re.escape(text) for key, text in OPTIONS.items() if key.startswith(what))
    assert re.fullmatch(f"hellopod: {name}=.* is not allowed: ({reasons})\n", done.stderr)
    assert done.stderr.count("\n") == 1


def test_where_no_file_may_be_written_but_in_tmp():
    """As with a /dev/shm that is full, or mounted read-only."""
    mount = 'mount -t tmpfs -o ro tmpfs /dev/shm && exec "$@"'
    command = [*UNSHARE[:-1], "--mount", "sh", "-c", mount, "sh"]
    need(*command)
    script = (
        "import os; assert not os.access('/dev/shm', os.W_OK)\n"
        "from tests.runtime.gunicorn_process import OURS, SAMPLE, Gunicorn\n"
        "from tests.runtime.raw import get\n"
        "with Gunicorn(*OURS, SAMPLE) as server:\n"
        "    assert get(server.management, '/readyz')[0] == 200\n"
        "    assert {record['level'] for record in server.records()} == {'INFO'}\n"
        "    assert server.stop() == 0\n"
    )
    run = [*command, sys.executable, "-c", script]
    done = subprocess.run(run, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
