"""What make up says of Deployments and StatefulSets that are not ready."""

import json

import pytest

from local.workloads import explained, is_ready, reason, unready, wait
from tests.commands.workloads import container, init, initializing, pod, waiting, workload


@pytest.fixture
def kubectl(tmp_path):
    """Makes a kubectl that prints one object after another, the last one again and again."""

    def write(*printed):
        for number, text in enumerate(printed):
            tmp_path.joinpath(str(number)).write_text(json.dumps(text))
        program = tmp_path / "kubectl"
        program.write_text(
            f"""#!/bin/sh
cd {tmp_path}
echo "$*" >> asked
set -- [0-9]*
cat $1
[ $# -eq 1 ] || rm $1
"""
        )
        program.chmod(0o755)
        return (str(program),)

    return write


@pytest.mark.parametrize(
    ("numbers", "ready"),
    [
        ({}, True),
        ({"ready": 0}, False),
        ({"updated": 0}, False),  # the pods of before are Ready
        ({"seen": 0}, False),  # nobody has looked at the new one yet
    ],
)
def test_ready_is_of_the_latest_template(numbers, ready):
    assert is_ready(workload("db", **numbers)) is ready


def test_waits_for_all_but_the_service(kubectl, capsys):
    before = [workload("shop", ready=0), workload("db", "StatefulSet", ready=0), {"kind": "Role"}]
    after = [workload("shop", ready=0), workload("db", "StatefulSet")]

    assert wait(kubectl({"items": before}, {"items": after}), "", "shop") == []
    assert capsys.readouterr().out.startswith("Waiting for statefulset/db ")


def test_waits_no_longer_than_it_may(kubectl):
    left = wait(kubectl(workload("db", ready=0)), "", "shop", seconds=0.1)

    assert [item["metadata"]["name"] for item in left] == ["db"]


@pytest.mark.parametrize("printed", [{}, {"items": []}, {"kind": "Service"}])
def test_manifests_without_others(kubectl, printed):
    assert unready(kubectl(printed), "") == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (pod("a", Ready={"status": "True"}), ""),
        (
            pod("a", {"state": {"running": {}}}, Ready={"status": "False"}),
            "it runs, but is not Ready",
        ),
        (
            pod("a", PodScheduled={"status": "False", "reason": "No", "message": "no room"}),
            "No: no room",
        ),
        (
            pod("a", container("CreateContainerConfigError", message='secret "a" not found')),
            'CreateContainerConfigError secret "a" not found',
        ),
        (
            pod("a", container("ContainerCreating"), container("CrashLoopBackOff")),
            "CrashLoopBackOff",
        ),
        (
            initializing("a", init("fetch", ready=True, terminated={}), init(running={})),
            "it waits for its init container migrate",
        ),
        (initializing("a", init(ready=True, terminated={})), "PodInitializing"),
    ],
)
def test_why_a_pod_is_not_ready(found, said):
    assert reason(found, "kind") == said


def test_a_missing_image_comes_with_what_to_type():
    said = reason(waiting("a", "ImagePullBackOff", "localhost/stand-in:1"), "shop")

    assert said.startswith("ImagePullBackOff localhost/stand-in:1\n")
    assert "kind load docker-image localhost/stand-in:1 --name shop\n" in said
    assert said.endswith("\n  Or name another image: make up STAND_IN_IMAGE=...")


def test_each_reason_is_said_once(kubectl, tmp_path):
    pods = [waiting("db-1", "ErrImagePull", "db:1"), waiting("db-2", "ErrImagePull", "db:1")]
    program = kubectl({"items": [pod("going", Ready={"status": "True"}), *pods]})
    (said,) = explained(program, "shop", [workload("db")])

    assert said.startswith("deployment/db is not ready: pod db-2: ErrImagePull db:1\n")
    asked = tmp_path.joinpath("asked").read_text()
    assert asked == "get pods --namespace=shop --selector=app=db --output=json\n"


@pytest.mark.parametrize(
    "its",
    [
        init(running={}),
        init(terminated={"exitCode": 1}),
        init(waiting={"reason": "CrashLoopBackOff"}, restarts=1),
    ],
)
def test_an_init_container_that_has_not_succeeded_has_a_log(kubectl, its):
    program = kubectl({"items": [initializing("db-1", its), initializing("db-2", its)]})
    (said,) = explained(program, "shop", [workload("db")])

    assert said.startswith("deployment/db is not ready: pod db-2: ")
    assert said.endswith(f"\n  its log: {program[0]} --namespace=shop logs db-2 -c migrate")


@pytest.mark.parametrize(
    "its",
    [init(ready=True, terminated={}), init(waiting={"reason": "CreateContainerConfigError"})],
)
def test_one_that_has_not_run_or_has_succeeded_is_no_reason(kubectl, its):
    (said,) = explained(kubectl({"items": [initializing("db-1", its)]}), "shop", [workload("db")])

    assert "logs" not in said


def test_one_without_pods_has_events(kubectl):
    (said,) = explained(kubectl({"items": []}), "shop", [workload("db")])

    assert said.endswith("kubectl --namespace=shop get events")
