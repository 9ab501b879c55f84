"""The component that scales on saturation: KEDA's ScaledObject in the place of the autoscaler."""

import re
import subprocess

import pytest
import yaml
from promql_parser import VectorSelector, parse

from tests.manifests.conftest import DEV, ROOT, overlay, render
from tests.manifests.custom_resources import problems
from tests.promql import nodes

COMPONENT = "autoscale-on-saturation"
INSTANCE = "app_kubernetes_io_instance"
[SAMPLE] = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/scaling.md").read_text(), re.S)
HPA = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}


@pytest.fixture(params=["k8s/base", "k8s/overlays/production"])
def saturated(request, tmp_path):
    """Give an overlay as a user writes one, and what it is an overlay of."""
    return overlay(tmp_path, request.param, COMPONENT), render(request.param)


def scaled(rendering):
    """Return the ScaledObject's spec and the metadata of its two triggers."""
    spec = rendering.find("ScaledObject")["spec"]
    cpu, prometheus = spec["triggers"]
    assert (cpu["type"], prometheus["type"]) == ("cpu", "prometheus")
    return spec, cpu, prometheus


def test_takes_the_place_of_the_autoscaler(saturated):
    changed, plain = saturated

    assert problems(changed.find("ScaledObject")) == []
    assert changed.kinds == plain.kinds - {"HorizontalPodAutoscaler"} | {"ScaledObject"}
    assert len(changed.objects) == len(plain.objects)
    assert changed.deployment == plain.deployment


def test_one_name_is_one_autoscaler(saturated):
    """KEDA takes over what has the name; under another one there would be two."""
    changed, plain = saturated
    spec, *_ = scaled(changed)
    metadata = changed.find("ScaledObject")["metadata"]

    name = plain.find("HorizontalPodAutoscaler")["metadata"]["name"]
    assert spec["advanced"]["horizontalPodAutoscalerConfig"]["name"] == name
    assert metadata["annotations"] == {"scaledobject.keda.sh/transfer-hpa-ownership": "true"}
    assert spec["scaleTargetRef"] == {"name": changed.find("Deployment")["metadata"]["name"]}


def assert_numbers_of(rendering, autoscaler):
    spec, cpu, _ = scaled(rendering)
    [metric] = [each["containerResource"] for each in autoscaler["metrics"]]

    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (
        autoscaler["minReplicas"],
        autoscaler["maxReplicas"],
    )
    config = spec["advanced"]["horizontalPodAutoscalerConfig"]
    assert config["behavior"] == autoscaler["behavior"]
    assert cpu["metricType"] == metric["target"]["type"] == "Utilization"
    assert cpu["metadata"] == {
        "containerName": metric["container"],
        "value": str(metric["target"]["averageUtilization"]),
    }


def test_numbers_are_those_of_the_autoscaler(saturated):
    changed, plain = saturated

    assert_numbers_of(changed, plain.find("HorizontalPodAutoscaler")["spec"])


def test_numbers_of_an_overlay_below(tmp_path):
    """Each of them, so that none is the one that is written in the component."""
    operations = [
        ("/spec/minReplicas", 3),
        ("/spec/maxReplicas", 50),
        ("/spec/behavior", {"scaleDown": {"selectPolicy": "Disabled"}}),
        ("/spec/metrics/0/containerResource/container", "theirs"),
        ("/spec/metrics/0/containerResource/target/averageUtilization", 55),
    ]
    changes = [{"op": "replace", "path": path, "value": value} for path, value in operations]
    below, above = tmp_path / "below", tmp_path / "above"
    below.mkdir(), above.mkdir()
    target = {"kind": HPA["kind"]}
    patches = [{"target": target, "patch": yaml.safe_dump(changes)}]
    plain = overlay(below, "k8s/base", patches=patches)
    changed = overlay(above, below, COMPONENT)

    assert problems(changed.find("ScaledObject")) == []
    assert_numbers_of(changed, plain.find("HorizontalPodAutoscaler")["spec"])


def test_prefix_and_suffix(tmp_path):
    changed = overlay(tmp_path, "k8s/base", COMPONENT, namePrefix="blue-", nameSuffix="-two")
    spec, *_ = scaled(changed)

    assert changed.find("ScaledObject")["metadata"]["name"] == "blue-hellopod-two"
    assert spec["scaleTargetRef"]["name"] == changed.find("Deployment")["metadata"]["name"]
    config = spec["advanced"]["horizontalPodAutoscalerConfig"]
    assert config["name"] == "blue-hellopod-two"


def test_target_leaves_room(tmp_path):
    """With the slots of the base. An overlay with others sets the threshold too."""
    saturated = overlay(tmp_path, "k8s/base", COMPONENT)
    _, _, prometheus = scaled(saturated)
    slots = saturated.settings.concurrency
    mean = float(prometheus["metadata"]["threshold"]) * slots

    assert prometheus["metricType"] == "AverageValue"  # a sum, shared among the pods
    # Requests in flight at a pod chosen at random vary as a Poisson distribution does.
    assert mean + 2.5 * mean**0.5 <= slots
    assert mean * 2 <= slots


def test_no_answer_is_an_error(saturated):
    _, _, prometheus = scaled(saturated[0])

    assert prometheus["metadata"]["ignoreNullValues"] == "false"


@pytest.mark.parametrize("namespace", ["hellopod", "theirs"])
def test_overlay_in_the_document(tmp_path, namespace):
    fields = yaml.safe_load(SAMPLE) | {"namespace": namespace}
    (place,), (component,) = fields.pop("resources"), fields.pop("components")
    below = "k8s/overlays/mine/"  # where it is an overlay of the one beside it
    assert component == "../../components/" + COMPONENT
    assert (ROOT / below).parent.joinpath(place.removeprefix("../")).is_dir()
    changed = overlay(tmp_path, "k8s/overlays/production", COMPONENT, **fields)
    _, _, prometheus = scaled(changed)

    assert changed.find("ScaledObject")["metadata"]["namespace"] == namespace
    assert prometheus["metadata"]["serverAddress"] == "http://prometheus.monitoring.svc:9090"
    assert asked(changed) == {"job": "hellopod", "namespace": namespace, INSTANCE: "hellopod"}


def asked(rendering):
    """Return what the query asks for: each label and the one value that it may have."""
    _, _, prometheus = scaled(rendering)
    first, *_ = nodes(parse(prometheus["metadata"]["query"]), VectorSelector)
    return {matcher.name: matcher.value for matcher in first.matchers.matchers}


@pytest.mark.parametrize("form", [{"namePrefix": "blue-"}, {"nameSuffix": "-two"}])
@pytest.mark.parametrize("below", [True, False])
def test_each_copy_counts_its_own_requests(tmp_path, form, below):
    """Whether the copy has its name here or in the overlay that this one builds on."""
    place, here = "k8s/base", form
    if below:
        (tmp_path / "below").mkdir()
        overlay(tmp_path / "below", place, **form)
        place, here = tmp_path / "below", {}
    lines = yaml.safe_load(SAMPLE)["replacements"]
    (tmp_path / "copy").mkdir()
    copy = overlay(tmp_path / "copy", place, COMPONENT, namespace="a", replacements=lines, **here)

    instance = copy.deployment["template"]["metadata"]["labels"]["app.kubernetes.io/instance"]
    assert instance != "hellopod"
    assert asked(copy) == {"job": "hellopod", "namespace": "a", INSTANCE: instance}


def test_a_copy_with_a_label_of_its_own(tmp_path):
    guide = (ROOT / "docs/instances.md").read_text()
    [[path]] = [re.findall(r"`fieldPath: (\S+)`", guide)]
    label = {"pairs": {"app.kubernetes.io/instance": "mine"}, "includeSelectors": True}
    lines = yaml.safe_load(SAMPLE)["replacements"]
    lines[1]["source"]["fieldPath"] = path
    form = {"namePrefix": "blue-", "labels": [label], "namespace": "a"}
    copy = overlay(tmp_path, "k8s/base", COMPONENT, replacements=lines, **form)

    assert copy.deployment["selector"]["matchLabels"]["app.kubernetes.io/instance"] == "mine"
    assert asked(copy)[INSTANCE] == "mine"


def test_a_copy_that_does_not_say_so_counts_all_of_its_namespace(tmp_path):
    """Its own too, and not those of another copy alone."""
    assert asked(overlay(tmp_path, "k8s/base", COMPONENT, namePrefix="blue-"))[INSTANCE] == ".*"


@pytest.mark.parametrize(
    ("place", "fields", "said"),
    [
        (DEV, {}, "nothing selected by HorizontalPodAutoscaler"),
        (
            "k8s/base",
            {"patches": [{"patch": yaml.safe_dump(HPA | {"metadata": {"name": "hellopod"}})}]},
            "no matches for Id HorizontalPodAutoscaler",
        ),
    ],
)
def test_refused_where_there_is_no_autoscaler(tmp_path, place, fields, said):
    with pytest.raises(AssertionError):
        overlay(tmp_path, place, COMPONENT, **fields)
    ran = subprocess.run(["kubectl", "kustomize", tmp_path], capture_output=True, text=True)

    assert ran.returncode == 1
    assert said in ran.stderr
