"""Asks a Prometheus."""

import time
from dataclasses import dataclass
from typing import Any

import urllib3

from .waiting import eventually


class QueryFailed(Exception):
    pass


@dataclass(frozen=True)
class Prometheus:
    """Prometheus' HTTP API: https://prometheus.io/docs/prometheus/latest/querying/api/."""

    url: str

    def ask(self, path: str, **fields: str) -> Any:
        """Return the data of an answer."""
        response = urllib3.request(
            "GET", f"{self.url}/api/v1/{path}", fields=fields, retries=False, timeout=10
        )
        if response.status != 200:
            raise QueryFailed(f"{fields}: {response.status} {response.data.decode()[:1000]}")
        return response.json()["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an expression at this moment."""
        return self.ask("query", query=expression)["result"]

    def values(self, expression: str, *labels: str) -> dict[Any, float]:
        """Return values by the label, or the labels, of their series."""
        return {
            key(series["metric"], labels): float(series["value"][1])
            for series in self.query(expression)
        }

    def value(self, expression: str) -> float:
        """Return the value of the only series."""
        [series] = self.query(expression)
        return float(series["value"][1])

    def pods(self) -> list[tuple[str, str]]:
        """Return the pods that are targets, and their health."""
        targets = self.ask("targets", state="active")["activeTargets"]
        found = [target for target in targets if target["scrapePool"] == "pods"]
        return sorted((target["labels"]["pod"], target["health"]) for target in found)

    def alerts(self) -> dict[str, str]:
        """Return the state of each alert that is not inactive."""
        alerts = self.ask("alerts")["alerts"]
        return {alert["labels"]["alertname"]: alert["state"] for alert in alerts}

    def wait_for_scrape(self) -> None:
        """Wait until every pod was scraped after this moment."""
        now = time.time()

        def all_pods_are_scraped() -> None:
            last = self.values("timestamp(hellopod_draining)", "pod")
            assert min(last.values(), default=0) > now

        eventually(all_pods_are_scraped, seconds=30)


def key(metric: dict[str, str], labels: tuple[str, ...]) -> Any:
    values = tuple(metric.get(label, "") for label in labels)
    return values[0] if len(values) == 1 else values
