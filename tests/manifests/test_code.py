"""What must equal something in service/."""

from service import metrics
from service.config import Config
from service.version import __version__
from tests.service.sample import create_app

DOWNWARD = {
    "POD_NAME": "metadata.name",
    "POD_NAMESPACE": "metadata.namespace",
    "POD_IP": "status.podIP",
    "NODE_NAME": "spec.nodeName",
    "SERVICE_ACCOUNT": "spec.serviceAccountName",
}
PROBES = {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}


def test_image_is_this_version(rendering):
    registry = "registry.example.com/" if rendering.place == "k8s/overlays/production" else ""

    assert rendering.container["image"] == f"{registry}hellopod:{__version__}"
    assert rendering.container["imagePullPolicy"] == "IfNotPresent"


def test_ports_and_paths(rendering):
    routes = {rule.rule for rule in create_app(Config()).url_map.iter_rules()}
    ports = {port["name"]: port["containerPort"] for port in rendering.container["ports"]}
    scrape = rendering.deployment["template"]["metadata"]["annotations"]

    settings = rendering.settings
    assert ports == {"http": settings.port, "management": settings.management_port}
    assert [port["targetPort"] for port in rendering.find("Service")["spec"]["ports"]] == ["http"]
    assert set(PROBES.values()) <= routes
    for name, probe in rendering.probes.items():
        assert probe["httpGet"] == {"path": PROBES[name], "port": "management"}
    assert scrape["prometheus.io/scrape"] == "true"
    assert scrape["prometheus.io/port"] == str(ports["management"])
    assert scrape["prometheus.io/path"] == metrics.PATH


def test_metrics_stay_inside_in_production(rendering):
    on_http = rendering.place != "k8s/overlays/production"

    assert rendering.settings.metrics_on_http is on_http


def test_env_names_are_settings(rendering):
    env = rendering.container["env"]
    fields = {e["name"]: e["valueFrom"]["fieldRef"]["fieldPath"] for e in env if "valueFrom" in e}

    assert fields == DOWNWARD
    settings = set(rendering.settings.public())
    assert {e["name"] for e in env} <= settings | {f"{name}_FILE" for name in settings}


def test_grace_period_fits_the_settings(rendering):
    settings = rendering.settings
    needed = settings.drain_seconds + settings.graceful_timeout + 5

    # A preStop hook would be part of the sum.
    assert "lifecycle" not in rendering.container

    assert rendering.pod["terminationGracePeriodSeconds"] >= needed


def test_a_lost_dns_packet_costs_less_than_a_request(rendering):
    """Two questions from one port lose one to connection tracking; the resolver waits for 5 s."""
    options = {each["name"]: each.get("value") for each in rendering.pod["dnsConfig"]["options"]}

    assert "single-request-reopen" in options
    assert 0 < int(options["timeout"]) <= rendering.settings.request_timeout / 3


def test_connections_outlive_those_of_the_proxy_in_front(rendering):
    """Or it sends a request on one that is just being closed. nginx and most load balancers keep
    an idle connection for 60 s."""
    assert rendering.settings.keepalive > 60


def test_probe_timings(scaled):
    probes = scaled.probes
    patience = {name: p["periodSeconds"] * p["failureThreshold"] for name, p in probes.items()}

    assert probes.keys() == PROBES.keys()
    assert 30 <= patience["startupProbe"] < scaled.deployment["progressDeadlineSeconds"] <= 600
    assert patience["livenessProbe"] > 2 * patience["readinessProbe"]
    assert all(probe["timeoutSeconds"] >= 3 for probe in probes.values())
