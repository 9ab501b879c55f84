"""What must equal something in service/."""

from service import create_app
from service.config import Config
from service.version import __version__

DOWNWARD = {"POD_NAME", "POD_NAMESPACE", "POD_IP", "NODE_NAME", "SERVICE_ACCOUNT"}


def test_image_is_this_version(rendering):
    registry = "registry.example.com/" if rendering.place == "k8s/overlays/production" else ""

    assert rendering.container["image"] == f"{registry}hellopod:{__version__}"
    assert rendering.container["imagePullPolicy"] == "IfNotPresent"


def test_ports_and_paths(rendering):
    routes = {rule.rule for rule in create_app(Config()).url_map.iter_rules()}
    ports = {port["name"]: port["containerPort"] for port in rendering.container["ports"]}
    scrape = rendering.deployment["template"]["metadata"]["annotations"]

    assert ports == {"http": rendering.settings.port}
    assert [port["targetPort"] for port in rendering.find("Service")["spec"]["ports"]] == ["http"]
    for probe in rendering.probes.values():
        assert probe["httpGet"]["port"] in ports
        assert probe["httpGet"]["path"] in routes
    assert scrape["prometheus.io/scrape"] == "true"
    assert scrape["prometheus.io/port"] == str(ports["http"])
    assert scrape["prometheus.io/path"] in routes


def test_env_names_are_settings(rendering):
    names = {variable["name"] for variable in rendering.container["env"]}

    assert DOWNWARD <= names <= set(rendering.settings.public())


def test_grace_period_fits_the_settings(rendering):
    hook = rendering.container.get("lifecycle", {}).get("preStop", {"sleep": {"seconds": 0}})
    needed = hook["sleep"]["seconds"] + rendering.settings.graceful_timeout + 5

    assert rendering.pod["terminationGracePeriodSeconds"] >= needed


def test_probe_timings(scaled):
    probes = scaled.probes
    patience = {name: p["periodSeconds"] * p["failureThreshold"] for name, p in probes.items()}

    assert 30 <= patience["startupProbe"] < scaled.deployment["progressDeadlineSeconds"]
    assert patience["livenessProbe"] > 2 * patience["readinessProbe"]
    assert all(probe["timeoutSeconds"] >= 3 for probe in probes.values())
