"""The autoscaler sees what the container uses."""

import pytest
from kubernetes import client

from . import metrics_api
from .app import NAME, SOON, App
from .waiting import eventually


def test_hpa_reports_cpu(app: App) -> None:
    if not metrics_api.present(app.api):
        pytest.skip("this cluster has no metrics API, and is not kind's")
    autoscaling = client.AutoscalingV2Api(app.api)

    def cpu_is_reported() -> None:
        hpa = autoscaling.read_namespaced_horizontal_pod_autoscaler(NAME, app.namespace, **SOON)
        conditions = {one.type: one for one in hpa.status.conditions or []}
        active = conditions.get("ScalingActive")
        assert active and active.status == "True", active and active.message
        [metric] = hpa.status.current_metrics
        assert metric.container_resource.container == NAME
        assert metric.container_resource.current.average_utilization is not None

    eventually(cpu_is_reported, seconds=180)
