"""Two copies in one namespace, each with every component: neither selects what is the other's."""

import re

import pytest

from tests.manifests.conftest import ROOT, Rendering, overlay
from tests.manifests.test_components import COMPONENTS

PLACE = "k8s/overlays/production"  # which has patches of its own
INSTANCE = "app.kubernetes.io/instance"
# What somebody's overlay says to have a second copy. The first line alone is what the docs show.
FORMS = {
    "prefix": {"namePrefix": "blue-"},
    "suffix": {"nameSuffix": "-blue"},
    "prefix and label": {
        "namePrefix": "blue-",
        "labels": [{"pairs": {INSTANCE: "blue"}, "includeSelectors": True}],
    },
}
# The docs say how. By hand these are Secrets of the namespace, and both copies would read them.
SECRETS = [
    {"name": "hellopod-chaos", "literals": ["token=0123456789abcdef"]},
    {"name": "hellopod-tls", "literals": ["tls.crt=chain", "tls.key=key"]},
]
NEED_THEM = {"chaos", "tls"}
# And those that components of a fork mount.
for file in sorted((ROOT / "k8s/components").glob("*/*.yaml")):
    for name in re.findall(r"secretName: (hellopod-\S+)", file.read_text()):
        if name not in [secret["name"] for secret in SECRETS]:
            SECRETS.append({"name": name, "literals": ["password=secret"]})
            NEED_THEM.add(file.parent.name)
# Whose name a field of this name holds.
REFERENCES = {
    "serviceAccountName": "ServiceAccount",
    "secretName": "Secret",
    "scaleTargetRef": "Deployment",
    "backendRefs": "Service",
    "service": "Service",
    "configMap": "ConfigMap",
    "configMapRef": "ConfigMap",
    "configMapKeyRef": "ConfigMap",
    "secretRef": "Secret",
    "secretKeyRef": "Secret",
}


def fields(node):
    """Yield each field of an object, at any depth, by name."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield name, value
            yield from fields(value)
    elif isinstance(node, list):
        for each in node:
            yield from fields(each)


def references(item):
    """Yield the kind and name of everything that an object needs."""
    for name, value in fields(item.get("spec", {})):
        if kind := REFERENCES.get(name):
            for one in value if isinstance(value, list) else [value]:
                yield (kind, one) if isinstance(one, str) else (one.get("kind", kind), one["name"])


def own_selectors(item):
    """Yield what an object says of its own instance's pods."""
    spec = item.get("spec", {})
    if item["kind"] == "Service":
        yield spec["selector"]
    for name in ("selector", "podSelector"):
        if item["kind"] != "Service" and name in spec:
            yield spec[name]["matchLabels"]
    for name, value in fields(spec.get("template", {})):
        if name == "labelSelector":
            yield value["matchLabels"]


def peers(rendering):
    """Return whom the policies let in and out, by the kind of rule."""
    policies = [item["spec"] for item in rendering.objects if item["kind"] == "NetworkPolicy"]
    return sorted(
        (way, str(policy[way]))
        for policy in policies
        for way in ("ingress", "egress")
        if way in policy
    )


def pod_labels(rendering):
    return rendering.deployment["template"]["metadata"]["labels"]


def copy(folder, **form):
    """Render everything at once, into a namespace of somebody's own."""
    return overlay(folder, PLACE, *COMPONENTS, namespace="theirs", secretGenerator=SECRETS, **form)


def keys(objects):
    return [(item["kind"], item["metadata"]["name"]) for item in objects]


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """Give a copy under the name that all files have."""
    return copy(tmp_path_factory.mktemp("first"))


@pytest.fixture(params=FORMS)
def second(request, tmp_path):
    """Give a copy under another name."""
    return copy(tmp_path, **FORMS[request.param])


def test_no_object_is_the_others(first, second):
    shared = set(keys(first.objects)) & set(keys(second.objects))

    assert shared == {("Namespace", "theirs")}
    assert sorted(kind for kind, _ in keys(first.objects)) == sorted(
        kind for kind, _ in keys(second.objects)
    )


def test_selectors_find_their_own_pods_alone(first, second):
    for one, other in ((first, second), (second, first)):
        found = [(item, wanted) for item in one.objects for wanted in own_selectors(item)]
        # Of Deployment (two), Service, budget, PodMonitor and two policies.
        assert len(found) >= 7
        for item, wanted in found:
            key = keys([item])
            assert (key, wanted.items() <= pod_labels(one).items()) == (key, True)
            assert (key, wanted.items() <= pod_labels(other).items()) == (key, False)


def test_labels_say_whose_an_object_is(first, second):
    for one in (first, second):
        instance = pod_labels(one)[INSTANCE]
        for item in one.objects:
            if item["kind"] not in ("Namespace", "Secret"):
                assert item["metadata"]["labels"][INSTANCE] == instance


def test_references_lead_to_objects(first, second):
    for rendering in (first, second):
        there = set(keys(rendering.objects))
        wanted = {reference for item in rendering.objects for reference in references(item)}
        assert {"Deployment", "Service", "ServiceAccount", "Secret"} <= {kind for kind, _ in wanted}
        assert wanted <= there


def test_foreign_peers_stay(first, second):
    assert peers(second) == peers(first) != []


def test_label_follows_the_name(first, tmp_path):
    """So that a copy under another name is safe, whoever forgets the label."""
    second = overlay(tmp_path, PLACE, namePrefix="blue-")

    assert pod_labels(first)[INSTANCE] == "hellopod"
    assert pod_labels(second)[INSTANCE] == "blue-hellopod"


def test_two_of_one_rendering(tmp_path):
    """As `kubectl apply -k` of a folder with both in it."""
    for name in ("blue", "green"):
        (tmp_path / name).mkdir()
        parts = [name for name in COMPONENTS if name not in NEED_THEM]
        overlay(tmp_path / name, "k8s/base", *parts, namePrefix=f"{name}-")
    (tmp_path / "kustomization.yaml").write_text("namespace: theirs\nresources: [blue, green]\n")
    objects = Rendering(tmp_path).objects

    for name in ("blue", "green"):
        its = [item for item in objects if item["metadata"]["name"].startswith(f"{name}-")]
        assert len(its) == len(objects) / 2
        for item in its:
            assert {n for n, _ in references(item)} <= {n for n, _ in keys(its)}
            assert {wanted for _, wanted in references(item)} <= {wanted for _, wanted in keys(its)}
            assert all(wanted[INSTANCE] == f"{name}-hellopod" for wanted in own_selectors(item))
