import pytest
import yaml
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from service.api import METHODS
from service.version import __version__


@pytest.fixture
def contract(client):
    """The contract as it is served."""
    response = client.get("/openapi.yaml")
    assert response.content_type == "application/yaml"
    return yaml.safe_load(response.text)


def test_contract_is_valid_openapi(contract):
    validate(contract)
    assert contract["info"]["version"] == __version__


def test_contract_lists_exactly_the_routes(contract, app):
    methods_of = {path: set(item) - {"summary"} for path, item in contract["paths"].items()}

    routes = {}
    for rule in app.url_map.iter_rules():
        methods = rule.methods - {"HEAD", "OPTIONS"} if rule.methods else METHODS
        routes[rule.rule] = {method.lower() for method in methods}
    assert methods_of == routes


@pytest.mark.parametrize("path", ["/api/identity", "/api/echo", "/version", "/healthz", "/readyz"])
def test_answers_match_their_schema(contract, client, path):
    ok = contract["paths"][path]["get"]["responses"]["200"]
    schema = ok["content"]["application/json"]["schema"] | {"components": contract["components"]}
    response = client.get(path)

    OAS31Validator(schema).validate(response.get_json())
    assert set(ok["headers"]) <= set(response.headers.keys())


@pytest.mark.parametrize("name", ["Identity", "Echo", "Version", "Status", "Problem"])
def test_every_property_is_promised(contract, name):
    schema = contract["components"]["schemas"][name]

    assert schema["required"] == list(schema["properties"])


def test_problems_match_their_schema(contract, client):
    schema = contract["components"]["schemas"]["Problem"]

    OAS31Validator(schema).validate(client.get("/nope").get_json())
