import os
import resource
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from benchmarks import instructions, load, processes, servers


class Hello(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"Hello")


def test_get_asks_no_proxy():
    """In a process of its own, for its environment."""
    with HTTPServer(("127.0.0.1", 0), Hello) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        script = "import sys; from benchmarks import processes; print(processes.get(sys.argv[1]))"
        done = subprocess.run(
            [sys.executable, "-c", script, f"http://127.0.0.1:{server.server_port}/"],
            env={"http_proxy": "http://127.0.0.1:1"},
            capture_output=True,
            text=True,
            timeout=30,
        )

    assert done.stdout == "b'Hello'\n", done.stderr


def test_one_core_is_not_enough():
    [core, *_] = os.sched_getaffinity(0)
    script = f"import os; os.sched_setaffinity(0, {{{core}}}); from benchmarks import processes; "

    done = subprocess.run(
        [sys.executable, "-c", script + "processes.check_cores()"], capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (1, "benchmarks: needs CPUs 0 and 1\n")


def test_a_process_has_its_core_and_many_files_and_hears_of_sigint():
    [core, *_] = os.sched_getaffinity(0)
    script = (
        "import os, resource, signal; print(signal.getsignal(signal.SIGINT).__name__, "
        "os.sched_getaffinity(0), *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )

    def begin():
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, most))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        processes.on(core)()

    done = subprocess.run(
        [sys.executable, "-c", script], preexec_fn=begin, stdout=subprocess.PIPE, text=True
    )

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert done.stdout == f"default_int_handler {{{core}}} {most} {most}\n"


def test_a_server_with_handlers_answers_both_kinds_of_load():
    with processes.running(servers.with_steps(servers.HELLOPOD)) as process:
        closed = load.closed(f"{process.url}/w10", 2, 0.5)
        offered = load.rate(f"{process.url}/c1+w10", 20, 1, "new")
        management = process.metrics.removesuffix("/metrics")
        assert processes.get(f"{management}/healthz")

    assert closed.count > 5 and closed.failed == 0
    assert offered.outcomes.keys() == {"200"} and offered.count == 20
    assert closed.get("p99") >= 0.01
    assert process.seconds > 0


def test_a_body_is_posted():
    with processes.running(instructions.OCCUPIED) as process:
        url = process.url + instructions.ECHO
        posted = load.closed(url, 2, 0.3, body=instructions.RECORD)
        asked = load.closed(url, 2, 0.3)

    assert posted.count > 2 and posted.failed == 0
    assert asked.outcomes.keys() == {"405"}
