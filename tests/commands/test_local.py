"""make up, down, logs and load, with programs that only pretend: no cluster is needed."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from local.clients import CLIENTS, RATE, Seen, client
from local.cluster import reach, with_images
from local.image import content_tag
from local.load import EVERY, asked, load
from local.steps import Failure
from tests.commands.workloads import waiting, workload
from tests.copying import copy
from tests.runtime.gunicorn_process import OURS, SAMPLE, Gunicorn
from tests.runtime.raw import eventually
from tests.service.hostile_upstream import HostileUpstream, header, saying

REPOSITORY = Path(__file__).parents[2]

# docker, kind and kubectl: each call is noted, and what exists is a line in a file.
PRETENDER = """#!{python}
import os, pathlib, sys, time
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
    print("        image: mirror.example.com:5000/my-db:17" + chr(10) + "        image: other:1")
if "get --filename=-" in call:
    print(os.environ.get("OBJECTS", ""))
if " get pods " in call:
    print(os.environ.get("PODS", "").replace(";", chr(10)))
if "--watch" in call:  # ends when all logs are followed, as the API server ends each
    print(os.environ["LATER"].replace(";", chr(10)), flush=True)
    while state.joinpath("calls").read_text().count(" logs ") < int(os.environ["FOLLOWED"]):
        time.sleep(0.02)
    sys.exit(1)
if "condition=Progressing=False" in call:
    sys.exit("late" not in have)
if "condition=Progressing " in call:  # it makes progress by and by
    have.discard("late")
if "rollout status" in call and "late" in have:
    sys.exit("error: deployment exceeded its progress deadline")
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


def test_up_hands_the_node_other_images_that_docker_has(machine):
    (machine.state / "have").write_text("my-db:18")
    assert machine.make("up", MY_DB_IMAGE="my-db:18").returncode == 0
    assert machine.did("kind load")[1:] == [f"kind load docker-image my-db:18 --name {NAME}"]

    refused = machine.make("up", MY_DB_IMAGE="my-db:18", FAILING="load docker-image my-db")
    assert refused.returncode == 0
    assert "the node did not take my-db:18; it pulls it itself" in refused.stdout


def test_up_of_a_service_without_a_page(machine):
    (machine.clone / "service/page.py").unlink(missing_ok=True)  # gone in a fork

    address = f"http://localhost:{machine.port}"
    said = machine.make("up").stdout
    assert f"{address} reaches all pods: curl {address}/version" in said
    assert "  make load URL=/version " in said


def test_up_after_an_edit_rolls_out_another_image(machine):
    machine.make("up")
    applied = (machine.state / "applied").read_text()
    with (machine.clone / "service/api.py").open("a") as code:
        code.write("# edited\n")
    assert machine.make("up").returncode == 0

    assert len(machine.did("docker build")) == 1
    assert machine.did("kind create") == []
    assert (machine.state / "applied").read_text() != applied


def test_up_waits_for_pods_that_were_late_before(machine):
    """The status of their rollout fails at once, though what kept them may be mended by now."""
    said = "Waiting for pods that are late "
    assert said not in machine.make("up").stdout
    with (machine.state / "have").open("a") as have:
        have.write(" late")
    never = machine.make("up", FAILING="condition=Progressing --timeout=180s")
    assert "make up: the new pods are not Ready" in never.stderr
    run = machine.make(
        "up",
        OBJECTS=json.dumps({"items": [workload(NAME, ready=0)]}),
        PODS=json.dumps({"items": [waiting("new-1", "ErrImagePull", "postgres:17")]}),
    )

    assert run.returncode == 0
    assert said in run.stdout
    assert f"deployment/{NAME} is not ready: pod new-1: ErrImagePull postgres:17\n" in run.stderr


@pytest.mark.parametrize(
    ("failing", "sentence"),
    [
        ("docker info", "the Docker daemon does not answer; .*docker info"),
        ("kind create", "the cluster did not come up; .*make down"),
        ("docker build", "the image was not built; .*make up"),
        ("kind load", "the node did not take the image; .*make up"),
        ("apply -f -", "the manifests were refused; kubectl kustomize .*"),
        ("rollout status", "the new pods are not Ready; .*get pods"),
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


def test_logs_are_of_all_pods_and_of_later_ones(machine):
    """Each container is followed once: a pod has another after a restart, and none at first."""
    machine.make("up")
    later = "old-1 id-1;new-1 ;new-1 id-2;old-1 id-1;new-1 id-2;old-1 id-3"
    run = machine.make("logs", PODS="old-1 id-1", LATER=later, FOLLOWED="3")

    assert "All pods, also those that come later; Ctrl-C ends it\n" in run.stderr
    assert run.stderr.endswith(
        "make logs: the cluster does not answer; docker ps shows whether its node runs\n"
    )
    options = f"--container={NAME} --prefix --follow"
    assert sorted(
        call.partition(" logs ")[2] for call in machine.did("kubectl") if "logs" in call
    ) == [
        f"pod/new-1 {options} --tail=-1",
        f"pod/old-1 {options} --tail=-1",
        f"pod/old-1 {options} --tail=10",
    ]


def test_up_that_fails_says_what_else_is_not_ready(machine):
    """A service may wait for a database whose image is missing."""
    run = machine.make(
        "up",
        FAILING="rollout status",
        OBJECTS=json.dumps({"items": [workload("db", ready=0)]}),
        PODS=json.dumps({"items": [waiting("db-1", "ErrImagePull", "postgres:17")]}),
    )

    assert "deployment/db is not ready: pod db-1: ErrImagePull postgres:17\n" in run.stderr
    assert f"kind load docker-image postgres:17 --name {NAME}\n" in run.stderr
    assert run.stderr.splitlines()[-1].startswith("make up: the new pods are not Ready")


def test_up_beside_what_is_ready_says_nothing(machine):
    run = machine.make("up", OBJECTS=json.dumps({"items": [workload("db", ready=1)]}))

    assert (run.returncode, run.stderr) == (0, "")


def test_down_twice(machine):
    machine.make("up")

    assert machine.make("down").returncode == machine.make("down").returncode == 0
    assert (machine.state / "have").read_text().split() != ["cluster"]


def test_the_tag_is_of_what_is_in_the_image():
    rendered = with_images(f"image: {NAME}:0.1.0\nimage: other:1\n", "local-1", {})

    assert rendered == f"image: {NAME}:local-1\nimage: other:1\n"
    assert content_tag(REPOSITORY) == content_tag(REPOSITORY)


@pytest.mark.parametrize(
    "image", ["my-db:17", "docker.io/library/my-db:17", "my-db@sha256:0", "my-db"]
)
def test_a_variable_names_another_image(image):
    manifest = f"      - image: {image}\n        imagePullPolicy: Always\n  image: db:1\n"
    rendered = with_images(manifest, "1", {"MY_DB_IMAGE": "mirror.example.com:5000/db:2"})

    assert rendered == manifest.replace(f" {image}\n", " mirror.example.com:5000/db:2\n")


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
    with Gunicorn(*OURS, SAMPLE) as server:
        url = f"http://127.0.0.1:{server.port}"
        load(url, (str(kubectl),), NAME, asked({"URL": "/healthz"}), seconds=EVERY)

    first, bound, line, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith(f"GET {url}/healthz for 5 s; ")
    assert bound.startswith(f"{CLIENTS} clients, at most {RATE} requests a second: ")
    answered = re.fullmatch(
        r" +5 s  3 pods  CPU 95 % of 70 %  (\d+)/s  p99 (\d+) ms  (\d+) 200", line
    )
    assert answered, line
    rate, p99, count = map(int, answered.groups())
    assert CLIENTS <= count <= 1.2 * RATE * EVERY
    assert 0 < rate <= count / EVERY + 1
    assert p99 < 1000 * EVERY


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
    stop, seen = threading.Event(), Seen()
    with HostileUpstream(saying(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")) as service:
        arguments = (service.url.partition("//")[2], asked(given), seen, stop)
        sender = threading.Thread(target=client, args=arguments)
        sender.start()
        eventually(lambda: seen.outcomes["201"])
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
