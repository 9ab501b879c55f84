"""Whether the pod takes new clients: one rule for the probes of the runtime and of the app."""

from typing import Any, Protocol

from service.state import PodState, Stage


class Missing(Protocol):
    """Knows which dependencies do not work."""

    def missing(self) -> list[str]:
        """Return their names."""


def not_ready(state: PodState, dependencies: Missing | None) -> dict[str, Any] | None:
    """Return why the pod takes no new clients; None if it does. Load is no reason.

    Nothing here takes time: the dependencies have been checked before.
    """
    if state.stage != Stage.SERVING:
        return {"status": "draining"}
    if state.switched_off:
        return {"status": "switched off"}
    if dependencies and (missing := dependencies.missing()):
        return {"status": "waiting", "for": missing}
    return None
