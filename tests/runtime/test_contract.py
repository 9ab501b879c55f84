"""What the runtime takes from gunicorn that gunicorn does not promise.

When it fails: read what changed between the two versions in the function it names, see whether what
is said of it here still holds, run the other tests, and write the new fingerprint down.
"""

import hashlib
import inspect
import re

import gunicorn
import pytest
from gunicorn import arbiter, config
from gunicorn.workers import base

WRITTEN_FOR = "27.0.1"

# function: what we rely on, fingerprint
RELIED_ON = {
    base.Worker.init_process: (
        "makes PIPE; init_signals, load_wsgi, post_worker_init, booted, run",
        "13dc2be5e66b",
    ),
    base.Worker.init_signals: (
        "sets SIGINT, and we ignore that; signals write to PIPE",
        "d7aaa77e5e6a",
    ),
    config.Config.is_ssl.fget: (
        "is true with a certfile; we set that and never read it",
        "0c6aee1b7160",
    ),
    arbiter.Arbiter.init_signals: (
        "runs before when_ready, so that Drain can replace handlers; reads SIGNALS",
        "940d8180d24d",
    ),
    arbiter.Arbiter.start: (
        "on_starting, init_signals, listeners if there are none, check_config, when_ready",
        "ae0ae75ef3b0",
    ),
    arbiter.Arbiter.run: ("lets SystemExit through", "585d2031e53b"),
    arbiter.Arbiter.handle_term: ("stops gracefully", "9a5d2bf0522b"),
    arbiter.Arbiter.wait_for_signals: ("reads SIG_QUEUE", "11e13e8cc182"),
    arbiter.Arbiter.stop: (
        "SIGTERM, graceful_timeout, SIGKILL; SIGINT in SIG_QUEUE is quick",
        "3e134011dbc3",
    ),
    arbiter.Arbiter.spawn_worker: ("calls pre_fork, then os.fork()", "f5591b3cd606"),
    arbiter.Arbiter.reap_workers: (
        "survives a worker that was killed; calls child_exit, and that may exit",
        "ab6125f3896f",
    ),
    arbiter.Arbiter.murder_workers: ("asks tmp.last_update() once a second", "8427931f4588"),
}


def fingerprint(function) -> str:
    """Return a digest of its code, whatever its comments say."""
    code = re.sub(r'^\s*"""(.|\n)*?"""\n', "", inspect.getsource(function), flags=re.M)
    lines = (line.rstrip() for line in code.splitlines())
    text = "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@pytest.mark.parametrize("function", RELIED_ON, ids=lambda function: function.__qualname__)
def test_gunicorn_is_as_we_know_it(function):
    relied_on, known = RELIED_ON[function]
    assert fingerprint(function) == known, (
        f"{function.__module__}.{function.__qualname__} of gunicorn {gunicorn.__version__} is not "
        f"that of {WRITTEN_FOR}; we rely on: {relied_on}"
    )
