"""A pod that takes spans as OpenTelemetry's collector does, and shows them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kubernetes import client

from .app import SOON, App
from .cluster import Cluster
from .neighbours import pod_like
from .waiting import eventually

NAME, PORT, POLICY = "otlp-collector", 4318, "spans-to-collector"
HAS_SDK = "import opentelemetry.sdk, opentelemetry.proto"
# Takes OTLP/HTTP, and prints each span on a line.
COLLECT = """
import http.server, json, sys
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            found = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    seen = {"pod": found.get("k8s.pod.name"), "trace": span.trace_id.hex()}
                    seen |= {"span": span.span_id.hex(), "parent": span.parent_span_id.hex()}
                    print(json.dumps(seen), flush=True)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(("", int(sys.argv[1])), Handler).serve_forever()
"""


@contextmanager
def running(app: App, cluster: Cluster, image: str) -> Iterator[str]:
    """Keep the pod running, from an image that has OpenTelemetry; give the address for spans."""
    core = client.CoreV1Api(app.api)
    metadata = client.V1ObjectMeta(name=NAME, labels={"app.kubernetes.io/name": NAME})
    pod = pod_like(app, metadata, "python", "-c", COLLECT, str(PORT))
    pod.spec.containers[0].image = image
    core.create_namespaced_pod(app.namespace, pod, **SOON)

    def collector_runs() -> str:
        status = core.read_namespaced_pod(NAME, app.namespace, **SOON).status
        assert status.phase == "Running"
        return status.pod_ip

    try:
        address = eventually(collector_runs, seconds=60)
        host = f"[{address}]" if ":" in address else address
        yield f"http://{host}:{PORT}"
    finally:
        cluster.kubectl("delete", "pod", NAME, "--wait=false")


def spans(cluster: Cluster, trace: str) -> list[dict[str, Any]]:
    """Return the spans of a trace that have come so far."""
    lines = cluster.kubectl("logs", NAME).stdout.splitlines()
    return [span for span in map(json.loads, lines) if span["trace"] == trace]


def policy(instances: list[str]) -> dict[str, Any]:
    """Return a policy that lets the spans of instances out.

    It selects nobody else: a pod that no other policy closes would be closed to all but the
    collector, DNS too.
    """
    key = "app.kubernetes.io/instance"
    selected = [{"key": key, "operator": "In", "values": instances}]
    to = [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": NAME}}}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": POLICY},
        "spec": {
            "podSelector": {"matchExpressions": selected},
            "policyTypes": ["Egress"],
            "egress": [{"to": to, "ports": [{"port": PORT}]}],
        },
    }
