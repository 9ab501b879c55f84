"""What the HorizontalPodAutoscaler makes of what its metrics ask for: spec.behavior.

https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/ and
kubernetes/kubernetes, pkg/controller/podautoscaler/horizontal.go. Times are seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.model.hpa import Target, up_to


@dataclass(frozen=True)
class Rules:
    """One direction of spec.behavior; a policy is its type, value and period."""

    window: float
    policies: tuple[tuple[str, int, float], ...]


@dataclass(frozen=True)
class Settings:
    """What a HorizontalPodAutoscaler says."""

    least: int
    most: int
    targets: tuple[Target, ...]
    up: Rules
    down: Rules

    @classmethod
    def read(cls, spec: dict[str, Any], request: float) -> "Settings":
        """Take them from a manifest; `request` is the CPU request in cores."""
        targets = []
        for metric in spec["metrics"]:
            percent = metric["containerResource"]["target"]["averageUtilization"]
            targets.append(Target(percent / 100, request))
        up, down = (rules(spec["behavior"][way]) for way in ("scaleUp", "scaleDown"))
        return cls(spec["minReplicas"], spec["maxReplicas"], tuple(targets), up, down)


def rules(spec: dict[str, Any]) -> Rules:
    policies = ((p["type"], p["value"], p["periodSeconds"]) for p in spec["policies"])
    return Rules(spec["stabilizationWindowSeconds"], tuple(policies))


@dataclass
class Autoscaler:
    """Turns what metrics ask for into a number of pods, and remembers."""

    settings: Settings
    asked: list[tuple[float, int]] = field(default_factory=list)
    added: list[tuple[float, int]] = field(default_factory=list)
    removed: list[tuple[float, int]] = field(default_factory=list)

    def decide(self, now: float, current: int, proposals: Sequence[int | None]) -> int:
        """Return how many pods there should be; the largest proposal counts."""
        known = [each for each in proposals if each is not None]
        wanted = max(known, default=current)
        if wanted < current and len(known) < len(proposals):
            return current  # a metric that cannot be read may ask for more
        wanted = self._stable(now, current, wanted)
        if wanted > current:
            top = self._limit(now, current, self.settings.up, self.added, +1)
            wanted = min(wanted, self.settings.most, max(top, current))
            self.added.append((now, wanted - current))
        elif wanted < current:
            bottom = self._limit(now, current, self.settings.down, self.removed, -1)
            wanted = max(wanted, self.settings.least, min(bottom, current))
            self.removed.append((now, current - wanted))
        return wanted

    def _stable(self, now: float, current: int, wanted: int) -> int:
        up = wanted >= current
        window = (self.settings.up if up else self.settings.down).window
        recent = [number for at, number in self.asked if at > now - window]
        self.asked.append((now, wanted))
        return (min if up else max)([wanted, *recent])

    @staticmethod
    def _limit(
        now: float, current: int, rules: Rules, events: list[tuple[float, int]], way: int
    ) -> int:
        """The most that any policy allows, from what there was when its period began."""
        limits = []
        for kind, value, period in rules.policies:
            began = current - way * sum(number for at, number in events if at > now - period)
            if kind == "Pods":
                limits.append(began + way * value)
            elif way > 0:
                limits.append(up_to(began * (1 + value / 100)))
            else:
                limits.append(int(began * (1 - value / 100)))
        return max(limits) if way > 0 else min(limits)
