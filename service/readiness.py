"""Whether the pod is for new clients: one rule for the probes of the runtime and of the app."""

from typing import Any, Protocol

from service.state import PodState, Stage


class Missing(Protocol):
    """What knows which dependencies do not work."""

    def missing(self) -> list[str]:
        """Return their names."""


def not_ready(state: PodState, dependencies: Missing | None) -> dict[str, Any] | None:
    """Return why not: draining, switched off, or without a dependency. Load is no reason.

    Nothing is looked at here that could take time: the dependencies have been checked before.
    """
    if state.stage != Stage.SERVING:
        return {"status": "draining"}
    if state.switched_off:
        return {"status": "switched off"}
    if dependencies and (missing := dependencies.missing()):
        return {"status": "waiting", "for": missing}
    return None
