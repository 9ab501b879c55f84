import json
import re
from collections import defaultdict
from http import HTTPMethod
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from flask import Flask
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from service import create_app
from service.config import Config
from service.http1.answers import Answers
from service.http1.head import NO_REQUEST, ProtocolError
from service.readiness import not_ready
from service.runtime.management import Health
from service.state import Stage
from service.version import __version__
from tests.runtime.raw import responses
from tests.service import sample

TEXT = (Path(__file__).parents[2] / "service/openapi.yaml").read_text()
TOO_LARGE = b"x" * (Config().max_content_length + 1)
ANY = {str(method) for method in HTTPMethod} - {"CONNECT"}


def error(status):
    return Answers("pod-1").error(NO_REQUEST, ProtocolError(status, "x"), "id-1")


@pytest.fixture
def app(config):
    """With the endpoints of service/api.py: the contract is of those."""
    app = create_app(config)
    yield app
    app.extensions["closing"].close()


@pytest.fixture
def contract(client):
    """The contract as it is served."""
    response = client.get("/openapi.yaml")
    assert response.content_type == "application/yaml"
    return yaml.safe_load(response.text)


def test_contract_is_valid_openapi(contract):
    validate(contract)
    assert contract["info"]["version"] == __version__


@pytest.mark.parametrize("path", yaml.safe_load(TEXT)["paths"])
def test_a_path_can_be_deleted(path):
    """No other needs what it holds, as an anchor of YAML may be."""
    rest, deleted = re.subn(rf"^  {re.escape(path)}:\n(?:   .*\n)+", "", TEXT, flags=re.MULTILINE)

    assert deleted == 1
    validate(yaml.safe_load(rest))


def test_contract_is_yaml_1_2():
    """Whose parsers do not know merge keys."""
    assert "<<:" not in TEXT


def routes(app):
    """The methods of each path. Several view functions may share one."""
    found = defaultdict(set)
    for rule in app.url_map.iter_rules():
        methods = rule.methods - {"HEAD", "OPTIONS"} if rule.methods else ANY
        path = re.sub(r"<(?:[^:>]*:)?(\w+)>", r"{\1}", rule.rule)
        found[path].update(method.lower() for method in methods)
    return found


def test_contract_lists_exactly_the_routes(contract, app):
    methods_of = {
        path: set(item) - {"summary", "parameters"} for path, item in contract["paths"].items()
    }

    assert methods_of == routes(app)


def test_two_views_may_share_a_path():
    app = Flask(__name__, static_folder=None)
    app.get("/parcels/<int(max=9):number>")(lambda number: "shown")
    app.patch("/parcels/<int(max=9):number>", endpoint="move")(lambda number: "moved")

    assert routes(app) == {"/parcels/{number}": {"get", "patch"}}


@pytest.mark.parametrize("path", ["/api/identity", "/api/chain", "/version", "/healthz", "/readyz"])
def test_answers_match_their_schema(contract, config, path):
    client = sample.create_app(config).test_client()  # that of service/api.py may be unready yet
    ok = contract["paths"][path]["get"]["responses"]["200"]
    schema = ok["content"]["application/json"]["schema"] | {"components": contract["components"]}
    response = client.get(path)

    OAS31Validator(schema).validate(response.get_json())
    assert set(ok["headers"]) <= set(response.headers.keys())


@pytest.mark.parametrize("name", ["Identity", "Hop", "Version", "Status", "Problem", "Stuck"])
def test_every_property_is_promised(contract, name):
    schema = contract["components"]["schemas"][name]

    assert schema["required"] == list(schema["properties"])


def assert_conforms(contract, name, headers, body):
    """To the response of that name: headers, media type and body."""
    promised = contract["components"]["responses"][name]
    sent = {header.lower(): value for header, value in headers.items()}
    for header, promise in promised["headers"].items():
        reference = promise.get("$ref", "").rpartition("/")[2]
        schema = (contract["components"]["headers"][reference] if reference else promise)["schema"]
        value = sent[header.lower()]
        number = schema["type"] == "integer"
        OAS31Validator(schema).validate(int(value) if number else value)
    ((media_type, content),) = promised["content"].items()
    assert sent["content-type"] == media_type
    OAS31Validator(content["schema"] | {"components": contract["components"]}).validate(body)


@pytest.mark.parametrize(
    ("method", "path", "arguments", "status", "name"),
    [
        ("GET", "/nope", {}, 404, "Error"),
        ("GET", "/nope", {}, 404, "NotFound"),
        ("POST", "/version", {}, 405, "MethodNotAllowed"),
        ("POST", "/version", {"data": TOO_LARGE}, 413, "ContentTooLarge"),
        ("GET", "/openapi.yaml", {"headers": {"If-Match": '"other"'}}, 412, "PreconditionFailed"),
    ],
)
def test_errors_are_as_described(contract, client, method, path, arguments, status, name):
    response = client.open(path, method=method, **arguments)

    assert response.status_code == status
    assert_conforms(contract, name, response.headers, response.get_json())


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("Busy", Answers("pod-1").refusal(NO_REQUEST, close=True)),
        ("RequestTimeout", error(408)),
        ("BadRequest", error(400)),
        ("ContentTooLarge", error(413)),
        ("URITooLong", error(414)),
        ("ExpectationFailed", error(417)),
        ("HeadersTooLarge", error(431)),
        ("NotImplemented", error(501)),
    ],
)
def test_errors_of_the_runtime_are_as_described(contract, name, answer):
    ((_, headers, body),) = responses(answer)

    assert_conforms(contract, name, headers, json.loads(body))


@pytest.mark.parametrize(
    ("stage", "off", "missing", "words"),
    [
        (Stage.DRAINING, False, [], "draining"),
        (Stage.SERVING, True, [], "switched off"),
        (Stage.SERVING, False, ["database"], "waiting"),
    ],
)
def test_an_unready_pod_is_as_described(contract, stage, off, missing, words):
    state = SimpleNamespace(stage=stage, switched_off=off)
    dependencies = SimpleNamespace(missing=lambda: missing)
    status, body = Health(None, 1, lambda: not_ready(state, dependencies)).ready()
    value = json.loads(body)

    assert (status, value["status"]) == (503, words)
    schema = contract["components"]["responses"]["NotReady"]["content"]["application/json"]
    OAS31Validator(schema["schema"] | {"components": contract["components"]}).validate(value)


def test_a_stuck_pod_is_as_described(contract):
    stuck = SimpleNamespace(parked_at=None, progress=0.0)
    status, body = Health(lambda: [stuck], 0.1, dict).live()

    assert status == 503
    schema = contract["components"]["responses"]["NotLive"]["content"]["application/json"]
    schema = schema["schema"] | {"components": contract["components"]}
    OAS31Validator(schema).validate(json.loads(body))


ERRORS = {"400", "408", "413", "414", "417", "431", "501", "503"}
# Of METRICS_ON_HTTP, of an ETag, and of upstreams.
OWN_STATUSES = {
    "/api/identity": set(),
    "/version": set(),
    "/healthz": set(),
    "/readyz": set(),
    "/metrics": {"404"},
    "/openapi.yaml": {"304", "412"},
    "/api/chain": {"422", "502", "504", "508"},
}


def test_every_status_is_spelled_out(contract):
    """With `default` nothing is undocumented, and fuzzing would find nothing.

    A fork may say it so: what every route answers is then in one line.
    """
    for path, item in contract["paths"].items():
        for method in set(item) - {"summary", "parameters"}:
            statuses = set(item[method]["responses"])
            if path in OWN_STATUSES:
                assert statuses == {"200", *ERRORS, *OWN_STATUSES[path]}
            else:
                assert statuses >= ERRORS or "default" in statuses
                assert any(status.startswith("2") for status in statuses)
