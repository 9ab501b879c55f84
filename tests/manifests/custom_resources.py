"""Custom resources, held against the schemas of their definitions in schemas/."""

from functools import cache
from pathlib import Path

import yaml
from openapi_schema_validator import OAS30StrictValidator

SCHEMAS = {  # by group and version: kind: schema
    "gateway.networking.k8s.io/v1": "gateway-api.yaml",
    "keda.sh/v1alpha1": "keda.yaml",
    "monitoring.coreos.com/v1": "prometheus-operator.yaml",
}


@cache
def schemas(api_version):
    return yaml.safe_load((Path(__file__).parent / "schemas" / SCHEMAS[api_version]).read_text())


def closed(schema):
    """Forbid what the schema does not name: a cluster would drop it without a word."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(part) for key, part in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        found.setdefault("additionalProperties", False)
    return found


def problems(item):
    """Return what is wrong with a custom resource; metadata is any object's and left to others."""
    schema = schemas(item["apiVersion"])[item["kind"]]
    content = {key: item[key] for key in item.keys() - {"apiVersion", "kind", "metadata"}}
    return [error.message for error in OAS30StrictValidator(closed(schema)).iter_errors(content)]
