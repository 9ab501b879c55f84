"""What the Downward API told this pod about itself, and which worker answers."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Flask, current_app

from service.config import Config
from service.state import Stage


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What is known of this pod; None for what the environment does not say."""

    pod: str
    namespace: str | None
    node: str | None
    pod_ip: str | None
    service_account: str | None
    version: str
    revision: str | None
    worker_pid: int
    started_at: str

    @classmethod
    def of(cls, config: Config) -> "Identity":
        """Take the identity from the settings and the running process."""
        return cls(
            pod=config.pod_name,
            namespace=config.pod_namespace or None,
            node=config.node_name or None,
            pod_ip=config.pod_ip or None,
            service_account=config.service_account or None,
            version=config.version,
            revision=config.revision or None,
            worker_pid=os.getpid(),
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def as_dict(self) -> dict[str, Any]:
        """All fields and whether the pod is draining, in the order of the OpenAPI schema."""
        draining = serving().extensions["pod_state"].stage != Stage.SERVING
        return vars(self) | {"draining": draining}


def current() -> Identity:
    """Return the identity of the app that serves this request."""
    identity: Identity = serving().extensions["identity"]
    return identity


def serving() -> Flask:
    """Return the app itself, not Flask's proxy: each look through that is slow."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return app


def init_app(app: Flask) -> None:
    """Make the identity of the app."""
    app.extensions["identity"] = Identity.of(app.extensions["config"])
