"""k8s/overlays/chain: three instances that call each other; policies let just that pass."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import absence, collector, inside
from .app import NAME, App
from .beside import TRACED
from .cluster import Cluster
from .commands import CommandFailed
from .generator import Generator
from .instance import KINDS, LITTLE
from .kustomization import ROOT, build, reference, write
from .neighbours import Place, Target
from .test_network_policy import DEADLINE, restart_daemons
from .waiting import eventually
from .watching import watched

HOPS = ("front", "middle", "back")
STREAMS = [
    {"rate": 5, "requests": [["GET", "/api/chain?strict"]], "pool": 10},
    {"rate": 5, "requests": [["POST", "/api/chain?strict"]]},
]


@pytest.fixture(scope="module")
def image(app: App, cluster: Cluster, pytestconfig: pytest.Config) -> str:
    """Build an image that sends spans; on a cluster that is not ours, give the deployed one."""
    deployed = app.deployment().spec.template.spec.containers[0].image
    if pytestconfig.getoption("image") or not cluster.kind_name:
        return str(deployed)
    build(TRACED, requirements="requirements-otel.txt")
    cluster.load(TRACED)
    return TRACED


@pytest.fixture(scope="module")
def endpoint(app: App, cluster: Cluster, image: str) -> Iterator[str]:
    """Give where spans go, or nothing if the image has nothing that sends them."""
    deployed = app.deployment().spec.template.spec.containers[0].image
    look = ("exec", min(app.ready()), "--", "python", "-c", collector.HAS_SDK)
    if image == deployed and cluster.kubectl(*look, check=False).returncode:
        yield ""
        return
    with collector.running(app, cluster, image) as address:
        yield address


def overlay(cluster: Cluster, image: str, folder: Path, endpoint: str) -> None:
    """Write the overlay for the suite's namespace and an image, with two pods of each."""
    variable = {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": endpoint}
    change = [{"op": "add", "path": "/spec/template/spec/containers/0/env/-", "value": variable}]
    requests = {"path": "/spec/template/spec/containers/0/resources/requests"}
    change += [{"op": "replace", **requests, "value": LITTLE["requests"]}]
    bounds = [{"op": "replace", "path": "/spec/maxReplicas", "value": 2}]
    spans = collector.policy([f"{hop}-{NAME}" for hop in HOPS])
    (folder / "spans.yaml").write_text(json.dumps(spans))
    write(
        folder,
        [ROOT / "k8s/overlays/chain", folder / "spans.yaml"],
        namespace=cluster.namespace,
        images=[{"name": NAME, **reference(image)}],
        patches=[
            {"patch": json.dumps(change), "target": {"kind": "Deployment"}},
            {"patch": json.dumps(bounds), "target": {"kind": "HorizontalPodAutoscaler"}},
        ],
    )


@pytest.fixture(scope="module")
def chain(
    app: App,
    cluster: Cluster,
    image: str,
    endpoint: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, App]]:
    """Deploy the three; give each by its prefix."""
    folder = tmp_path_factory.mktemp("chain")
    overlay(cluster, image, folder, endpoint)
    apps = {hop: App(app.api, app.namespace, name=f"{hop}-{NAME}") for hop in HOPS}
    try:
        cluster.kubectl("apply", "-k", folder, namespace=None)
        for hop in apps.values():
            eventually(hop.settled, seconds=180)
        yield apps
    finally:
        instances = ",".join(hop.name for hop in apps.values())
        selector = ("--selector", f"app.kubernetes.io/instance in ({instances})")
        cluster.kubectl("delete", KINDS, *selector, "--wait=false", seconds=180)
        cluster.kubectl("delete", f"networkpolicy/{collector.POLICY}", "--ignore-not-found")


def test_policies_let_nothing_else_through(chain: dict[str, App], cluster: Cluster) -> None:
    places = {
        hop: Place(cluster, cluster.namespace, min(app.ready())) for hop, app in chain.items()
    }
    addresses = {hop: min(app.ready().items())[1].status.pod_ip for hop, app in chain.items()}

    def only_the_chain_is_let_through() -> None:
        for hop, place in places.items():
            others = [other for other in HOPS if other != hop]
            targets: dict[str, Target] = {
                other: (addresses[other], 8000, "/version") for other in others
            }
            targets |= {f"{other}:9000": (addresses[other], 9000, "/metrics") for other in others}
            callee = {"front": {"middle"}, "middle": {"back"}, "back": set()}[hop]
            assert (hop, place.reached(targets)) == (hop, callee)

    def something_is_denied() -> None:
        assert not places["back"].reached({"front": (addresses["front"], 8000, "/version")})

    restart_daemons(cluster)
    try:
        eventually(something_is_denied, seconds=DEADLINE)
    except AssertionError:
        absence.missing("NetworkPolicy", f"{DEADLINE} s after one was made all was open")
    eventually(only_the_chain_is_let_through, seconds=DEADLINE)


def ask(app: App, cluster: Cluster, trace: str = "") -> dict:
    """Return what the first instance says of the whole way to a pod that is none of them.

    Not through the API server: on another node than the pods, policies let it through to none.
    """
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"} if trace else {}
    url = f"http://front-{NAME}/api/chain"
    script = f"""
request = urllib.request.Request({url!r}, headers={headers!r})
print(urllib.request.urlopen(request, timeout=30).read().decode())
"""
    return inside.run(cluster, min(app.ready()), script)


def pods_along(tree: dict) -> list[str]:
    """Return who answered, from the first hop to the last."""
    [*below] = tree["upstreams"]
    assert tree["status"] == 200, tree
    return [tree["pod"], *(pod for hop in below for pod in pods_along(hop))]


def test_one_answer_shows_the_whole_way(chain: dict[str, App], app: App, cluster: Cluster) -> None:
    def policies_let_the_chain_through() -> list[str]:
        return pods_along(ask(app, cluster))

    passing = (TypeError, KeyError, CommandFailed)
    found = eventually(policies_let_the_chain_through, seconds=60, also=passing)

    assert len(found) == len(HOPS)
    for pod, hop in zip(found, HOPS, strict=True):
        assert pod in chain[hop].pods()


def test_one_trace_has_every_hop(
    chain: dict[str, App], app: App, cluster: Cluster, endpoint: str
) -> None:
    if not endpoint:
        pytest.skip("the image has no OpenTelemetry: docs/observability.md says how to build one")

    def policies_let_a_trace_through() -> tuple[str, list[str]]:
        trace = secrets.token_hex(16)
        return trace, pods_along(ask(app, cluster, trace))

    passing = (TypeError, KeyError, CommandFailed)
    trace, along = eventually(policies_let_a_trace_through, seconds=60, also=passing)

    def each_span_of_the_last_hop_leads_to_the_first() -> None:
        spans = {span["span"]: span for span in collector.spans(cluster, trace)}
        ways = [way(span, spans) for span in spans.values() if span["pod"] == along[-1]]
        assert ways and all(each == along[::-1] for each in ways), ways

    eventually(each_span_of_the_last_hop_leads_to_the_first, seconds=30)


def way(span: dict, spans: dict[str, dict]) -> list[str]:
    """Return the pods from a span's to that of its farthest ancestor."""
    found = [span["pod"]]
    while parent := spans.get(span["parent"]):
        span = parent
        if span["pod"] != found[-1]:
            found.append(span["pod"])
    return found


@pytest.fixture
def open_chain(chain: dict[str, App], cluster: Cluster) -> dict[str, App]:
    """Give the three without policies. The last test uses it, as it deletes them.

    While its rules change, an engine without CPU time drops more packets than retries make good.
    """
    instances = ",".join(hop.name for hop in chain.values())
    selector = ("--selector", f"app.kubernetes.io/instance in ({instances})")
    cluster.kubectl("delete", "networkpolicies", *selector)
    cluster.kubectl("delete", f"networkpolicy/{collector.POLICY}")
    back, front = chain["back"].ready(), chain["front"].ready()
    places = [Place(cluster, cluster.namespace, pod) for pod in back]

    def all_is_open() -> None:
        targets: dict[str, Target] = {
            name: (pod.status.pod_ip, 8000, "/version") for name, pod in front.items()
        }
        assert all(place.reached(targets) == targets.keys() for place in places)

    eventually(all_is_open, seconds=DEADLINE)
    return chain


def test_a_rollout_in_the_middle_loses_nothing(
    open_chain: dict[str, App], cluster: Cluster
) -> None:
    front, middle = open_chain["front"], open_chain["middle"]
    before, others = set(middle.pods()), set(front.pods())

    def middle_is_replaced() -> None:
        middle.settled()
        assert not before & set(middle.pods())

    generator = Generator(front, cluster, "chain-load")
    with (
        watched(front, cluster) as seen,
        generator.running(front.address(), 80, streams=STREAMS) as load,
    ):
        cluster.kubectl("rollout", "restart", f"deployment/{middle.name}")
        eventually(middle_is_replaced, seconds=120)

    load.assert_on_time()
    assert load.sent and not load.failures, load.examples
    assert set(front.pods()) == others and not seen.deleted
