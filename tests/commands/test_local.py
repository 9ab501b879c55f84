"""make up, down, logs and load, with programs that only pretend: no cluster is needed."""

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from local.cluster import reach, with_image
from local.image import content_tag
from local.load import CLIENTS, EVERY, RATE, asked, client, load
from local.steps import Failure
from tests.copying import copy
from tests.runtime.gunicorn_process import Gunicorn
from tests.runtime.raw import eventually
from tests.service.hostile_upstream import HostileUpstream, header, saying

REPOSITORY = Path(__file__).parents[2]

# docker, kind and kubectl: each call is noted, and what exists is a line in a file.
PRETENDER = """#!{python}
import os, pathlib, sys
state = pathlib.Path(os.environ["STATE"])
call = " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]])
state.joinpath("calls").open("a").write(call + chr(10))
if (failing := os.environ.get("FAILING")) and failing in call:
    sys.exit("reason " + failing)
have = set(state.joinpath("have").read_text().split())
if call.startswith("docker build"):
    have.add(sys.argv[sys.argv.index("--tag") + 1])
if call.startswith("docker image inspect"):
    sys.exit(sys.argv[-1] not in have)
if call.startswith("docker port") and "cluster" in have:
    print("127.0.0.1:" + os.environ["SERVED"])
if call.startswith("kind get clusters") and "cluster" in have:
    print({name!r})
if call.startswith("kind create"):
    have.add("cluster")
    state.joinpath("kind.yaml").write_text(sys.stdin.read())
if call.startswith("kind delete"):
    have.discard("cluster")
if call.startswith("kubectl kustomize"):
    print("        image: " + {name!r} + ":0.1.0")
if "apply -f -" in call:
    state.joinpath("applied").write_text(sys.stdin.read())
state.joinpath("have").write_text(" ".join(have))
"""
NAME = "hellopod"


@dataclass
class Machine:
    """A clone of the repository, and programs on PATH that know a state."""

    clone: Path
    state: Path
    programs: Path
    port: int  # where the service answers

    def make(self, what, **environ):
        """Run what make runs; return the process. It never takes long."""
        path = f"{self.programs}{os.pathsep}/usr/bin{os.pathsep}/bin"
        known = {"PATH": path, "STATE": str(self.state), "UP_PORT": "0", "SERVED": str(self.port)}
        self.state.joinpath("calls").write_text("")
        command = [sys.executable, "-m", "local.cluster", what]
        return subprocess.run(
            command, cwd=self.clone, env=known | environ, capture_output=True, text=True, timeout=60
        )

    def did(self, start):
        """Return the calls that start so."""
        calls = self.state.joinpath("calls").read_text().splitlines()
        return [call for call in calls if call.startswith(start)]


@pytest.fixture
def machine(tmp_path):
    clone, state, programs = (tmp_path / name for name in ("clone", "state", "programs"))
    for directory in (clone, state, programs):
        directory.mkdir()
    for name in ("docker", "kind", "kubectl"):
        program = programs / name
        program.write_text(PRETENDER.format(python=sys.executable, name=NAME))
        program.chmod(0o755)
    state.joinpath("have").write_text("")
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:  # 501 will do
        threading.Thread(target=server.serve_forever).start()
        yield Machine(copy(clone), state, programs, server.server_port)
        server.shutdown()


def test_up_makes_everything_and_says_where_it_is(machine):
    run = machine.make("up")

    assert (run.returncode, run.stderr) == (0, "")
    assert f"http://localhost:{machine.port} reaches all pods" in run.stdout
    (build,) = machine.did("docker build")
    tag = re.search(rf"--tag {NAME}:(local-[0-9a-f]{{12}}) ", build)[1]
    assert machine.did("kind load") == [
        f"kind load docker-image {NAME}:{tag} --name {NAME}",
    ]
    assert f"image: {NAME}:{tag}" in (machine.state / "applied").read_text()
    assert "hostPort: 0\n" in (machine.state / "kind.yaml").read_text()
    assert all(f"--context kind-{NAME}" in call for call in machine.did("kubectl --context"))


def test_up_again_builds_and_creates_nothing(machine):
    machine.make("up")
    applied = (machine.state / "applied").read_text()
    run = machine.make("up")

    assert run.returncode == 0
    assert machine.did("docker build") == machine.did("kind create") == []
    assert (machine.state / "applied").read_text() == applied


def test_up_of_a_service_without_a_page(machine):
    (machine.clone / "service/page.py").unlink()

    address = f"http://localhost:{machine.port}"
    assert f"{address} reaches all pods: curl {address}/version" in machine.make("up").stdout


def test_up_after_an_edit_rolls_out_another_image(machine):
    machine.make("up")
    applied = (machine.state / "applied").read_text()
    with (machine.clone / "service/api.py").open("a") as code:
        code.write("# edited\n")
    assert machine.make("up").returncode == 0

    assert len(machine.did("docker build")) == 1
    assert machine.did("kind create") == []
    assert (machine.state / "applied").read_text() != applied


@pytest.mark.parametrize(
    ("failing", "sentence"),
    [
        ("docker info", "the Docker daemon does not answer; .*docker info"),
        ("kind create", "the cluster did not come up; .*make down"),
        ("docker build", "the image was not built; .*make up"),
        ("kind load", "the node did not take the image; .*make up"),
        ("apply -f -", "the manifests were refused; kubectl kustomize .*"),
        ("rollout status", "the new pods are not Ready, .*get pods"),
    ],
)
def test_a_failure_is_one_sentence_with_what_to_type(machine, failing, sentence):
    run = machine.make("up", FAILING=failing)

    assert run.returncode == 1
    assert re.fullmatch(f"make up: {sentence}", run.stderr.splitlines()[-1])
    assert "Traceback" not in run.stderr
    if failing != "docker info":
        assert f"reason {failing}" in run.stderr


def test_up_waits_until_the_port_answers():
    """The node hears of a pod a moment after it is Ready."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def serve_later():
        time.sleep(1)
        with ThreadingHTTPServer(("127.0.0.1", port), BaseHTTPRequestHandler) as server:
            server.handle_request()

    later = threading.Thread(target=serve_later)
    later.start()
    reach(f"http://localhost:{port}", seconds=20)
    later.join()
    with pytest.raises(Failure, match=f"localhost:{port} does not answer; see: kubectl .*get pods"):
        reach(f"http://localhost:{port}", seconds=0)


def test_metrics_server_only_where_there_is_none(machine):
    machine.make("up")
    assert not [call for call in machine.did("kubectl") if "metrics-server" in call]

    machine.make("up", FAILING="get apiservice")
    assert len([call for call in machine.did("kubectl") if "metrics-server" in call]) == 2


def test_a_missing_program_is_named(machine):
    (machine.programs / "kind").unlink()
    run = machine.make("up", PATH=str(machine.programs))

    assert run.stderr.startswith("make up: kind is not on PATH; install it: https://")


@pytest.mark.parametrize("port", ["taken", "0x", "99999", ""])
def test_a_port_that_cannot_be_used(machine, port):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1]) if port == "taken" else port
        run = machine.make("up", UP_PORT=port)

    sentence = f"make up: port {port} cannot be used; take another: make up UP_PORT=8081\n"
    assert (run.returncode, run.stderr) == (1, sentence)
    assert machine.did("kind create") == []


@pytest.mark.parametrize("what", ["logs", "load"])
def test_without_a_cluster(machine, what):
    run = machine.make(what)

    assert run.returncode == 1
    assert run.stderr.endswith("type: make up\n")


def test_logs_are_of_all_pods(machine):
    machine.make("up")
    run = machine.make("logs")

    assert run.stderr == "These pods, not later ones: make logs again after a rollout\n"
    (call,) = machine.did("kubectl")
    assert f"logs --selector app.kubernetes.io/name={NAME} --prefix --follow" in call


def test_down_twice(machine):
    machine.make("up")

    assert machine.make("down").returncode == machine.make("down").returncode == 0
    assert (machine.state / "have").read_text().split() != ["cluster"]


def test_the_tag_is_of_what_is_in_the_image():
    rendered = with_image(f"image: {NAME}:0.1.0\nimage: other:1\n", "local-1")

    assert rendered == f"image: {NAME}:local-1\nimage: other:1\n"
    assert content_tag(REPOSITORY) == content_tag(REPOSITORY)


def test_other_files_do_not_change_the_tag(machine):
    before = content_tag(machine.clone)
    (machine.clone / "README.md").write_text("")
    (machine.clone / "service/__pycache__").mkdir()
    (machine.clone / "service/__pycache__/x.pyc").write_text("")

    assert content_tag(machine.clone) == before


def test_load_is_bounded_and_says_what_becomes_of_it(tmp_path, capsys):
    kubectl = tmp_path / "kubectl"
    kubectl.write_text("#!/bin/sh\necho 3 95")
    kubectl.chmod(0o755)
    with Gunicorn() as server:
        url = f"http://127.0.0.1:{server.port}"
        load(url, (str(kubectl),), NAME, asked({"URL": "/healthz"}), seconds=EVERY)

    first, line, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith(f"GET {url}/healthz, ")
    answered = re.fullmatch(r" +5 s  3 pods  CPU 95 % of 70 %  (\d+) 200", line)
    assert answered, line
    assert CLIENTS <= int(answered[1]) <= 1.2 * RATE * EVERY


@pytest.mark.parametrize(
    ("given", "line", "media_type"),
    [
        ({}, "GET / HTTP/1.1", None),
        ({"URL": "/api/orders?state=open#c"}, "GET /api/orders?state=open#c HTTP/1.1", None),
        ({"BODY": '{"a": 1}', "URL": "/a"}, "POST /a HTTP/1.1", "application/json"),
        ({"BODY": "[é]", "METHOD": "PUT"}, "PUT / HTTP/1.1", "application/json"),
        ({"BODY": "a=1"}, "POST / HTTP/1.1", "text/plain; charset=utf-8"),
        ({"METHOD": "DELETE", "BODY": ""}, "DELETE / HTTP/1.1", None),
        ({"BODY": "\udcff", "TYPE": "image/png"}, "POST / HTTP/1.1", "image/png"),
    ],
)
def test_load_sends_what_was_asked_for(given, line, media_type):
    stop, outcomes = threading.Event(), Counter()
    with HostileUpstream(saying(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")) as service:
        arguments = (service.url, asked(given), outcomes, stop)
        sender = threading.Thread(target=client, args=arguments)
        sender.start()
        eventually(lambda: outcomes["201"])
        stop.set()
        sender.join()
        head = service.heads[0]

    assert head.partition("\r\n")[0] == line
    assert header(head, "Content-Type") == media_type
    if body := given.get("BODY"):
        assert header(head, "Content-Length") == str(len(os.fsencode(body)))


@pytest.mark.parametrize(
    ("name", "media_type"), [("a.png", "image/png"), ("a.of-nothing", "application/octet-stream")]
)
def test_load_sends_a_file(tmp_path, name, media_type):
    file = tmp_path / name
    file.write_bytes(b"\0\xff{")
    request = asked({"BODY_FILE": str(file), "URL": "/a"})

    assert (request.method, request.body) == ("POST", b"\0\xff{")
    assert request.headers["Content-Type"] == media_type
    file.write_bytes(b"")
    assert asked({"BODY_FILE": str(file)}).method == "POST"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"URL": "api/orders"}, "URL='api/orders' is not allowed: a path such as /api/orders"),
        ({"URL": "http://a/b"}, "URL='http://a/b' is not allowed: a path"),
        ({"URL": "/a b"}, "URL='/a b' is not allowed: a path"),
        ({"URL": "/é"}, r"URL='/\xe9' is not allowed: a path"),
        ({"METHOD": "get"}, "METHOD='get' is not allowed: a method such as POST"),
        ({"BODY": "a", "BODY_FILE": "a"}, "BODY and BODY_FILE are not allowed together"),
        ({"BODY_FILE": "/a/b"}, "BODY_FILE='/a/b' is not allowed: No such file or directory"),
        ({"BODY_FILE": "/"}, "BODY_FILE='/' is not allowed: Is a directory"),
        ({"TYPE": "a\nb", "BODY": "a"}, r"TYPE='a\nb' is not allowed: a media type such as"),
    ],
)
def test_load_refuses_what_is_no_request(machine, given, sentence):
    run = machine.make("load", **given)

    assert run.returncode == 1
    assert f"make load: {sentence}" in run.stderr
    assert machine.did("kind") == []
