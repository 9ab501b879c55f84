"""The loads, and the settings of the autoscaler, that benchmarks/model/scaling.py tries.

Pods as in k8s/overlays/production (half a CPU requested), up to as many as it takes; the settings
of k8s/base/hpa.yaml, and others that differ from them in one thing each.
"""

from dataclasses import dataclass, replace

from benchmarks.model import observation
from benchmarks.model.autoscaling_model import Cluster
from benchmarks.model.hpa import Target
from benchmarks.model.hpa_behavior import Rules, Settings
from benchmarks.model.pod_model import Handler

REQUEST = 0.5  # cores, as in k8s/overlays/production/resources.yaml
ENOUGH = 5000  # pods
CALM = 300.0  # seconds of the first rate before, and three times as many after
HELLO = Handler(work=1 / 1850)  # `/`, on one core: make bench
WAITING = Handler(work=0.0007, wait=0.1)  # docs/overload.md
SHIPPED = observation.settings(REQUEST, ENOUGH)
SATURATION = observation.settings(REQUEST, ENOUGH, [observation.SATURATION])


@dataclass(frozen=True)
class Shape:
    """A load that rises from one rate to another, stays, and falls as it rose; or does so again."""

    name: str
    low: float  # requests a second
    high: float
    rise: float  # seconds
    stay: float
    handler: Handler = HELLO
    times: int = 1
    every: float = 0.0

    @property
    def end(self) -> float:
        """When the calm after it is over."""
        return 4 * CALM + 2 * self.rise + self.stay + (self.times - 1) * self.every

    def __call__(self, at: float) -> float:
        """Return the rate at a time."""
        at -= CALM
        if self.every:
            at -= min(max(0, at // self.every), self.times - 1) * self.every
        slope = self.rise or 1e-9
        part = min(1.0, at / slope, (2 * self.rise + self.stay - at) / slope)
        return self.low + (self.high - self.low) * max(0.0, part)


SHAPES = (
    Shape("step, 2k to 6k", 2_000, 6_000, 0, 600),
    Shape("crowd, 2k to 40k in 10 s", 2_000, 40_000, 10, 300),
    Shape("bursts, 2k to 10k, 1 of 3 min", 2_000, 10_000, 5, 50, times=6, every=180),
    Shape("ramp, 1k to 50k in 10 min", 1_000, 50_000, 600, 300),
    Shape("ramp, 10k to 1M in 30 min", 10_000, 1_000_000, 1800, 600),
    Shape("step, 100k to 1M", 100_000, 1_000_000, 0, 600),
    Shape("crowd, 10k to 1M in 60 s", 10_000, 1_000_000, 60, 600),
    Shape("crowd, 500 to 5k in 10 s, waiting handler", 500, 5_000, 10, 300, WAITING),
)


def up(*policies: tuple[str, int, float], window: float = 0) -> Settings:
    return replace(SHIPPED, up=Rules(window, policies))


def down(window: float, *policies: tuple[str, int, float]) -> Settings:
    return replace(SHIPPED, down=Rules(window, policies))


def wanting(share: float) -> Settings:
    return replace(SHIPPED, targets=(Target(share, REQUEST),))


@dataclass(frozen=True)
class Choice:
    """Settings, and the cluster that they meet."""

    name: str
    settings: Settings
    cluster: Cluster = Cluster()
    request: float = REQUEST


CHOICES = (
    Choice("as shipped", SHIPPED),
    Choice("target 50 %", wanting(0.5)),
    Choice("target 85 %", wanting(0.85)),
    Choice("up: Kubernetes' default, or 4 pods", up(("Percent", 100, 15), ("Pods", 4, 15))),
    Choice("up: tenfold in 15 s", up(("Percent", 900, 15))),
    Choice("up: half as much again in 15 s", up(("Percent", 50, 15))),
    Choice("up: doubling in 60 s", up(("Percent", 100, 60))),
    Choice("up: stabilized over 60 s", up(("Percent", 100, 15), window=60)),
    Choice("down: one pod in 60 s", down(120, ("Pods", 1, 60))),
    Choice("down: Kubernetes' default", down(300, ("Percent", 100, 15))),
    Choice("down: all after 15 s", down(15, ("Percent", 100, 15))),
    Choice("at least 20 pods", replace(SHIPPED, least=20)),
    Choice("at most 20 pods", replace(SHIPPED, most=20)),
    Choice("CPU request 100m, as in base", observation.settings(0.1, 10_000), request=0.1),
    Choice("CPU request 1", observation.settings(1.0, ENOUGH), request=1.0),
    Choice("room for 100 pods, 90 s for nodes", SHIPPED, Cluster(room=100)),
    Choice("pods created without a limit", SHIPPED, Cluster(created=1e9)),
    Choice("with autoscale-on-saturation", SATURATION),
)
