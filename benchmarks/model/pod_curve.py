"""What comes of any rate of requests at a pod, from simulations of some rates."""

from bisect import bisect_right
from dataclasses import dataclass
from functools import cache

from benchmarks.model.pod_model import CONFIG, REFUSAL, Handler, Pod, Point

# Of what a pod can serve: each is simulated, between them lies a straight line.
LOADS = (0.25, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0)
REQUESTS = 2000  # at least, in each simulation


@dataclass(frozen=True)
class Curve:
    """What comes of any rate."""

    handler: Handler
    points: tuple[Point, ...]

    def at(self, offered: float) -> Point:
        """Return it; beyond the last point refusals take the CPU that serving needs."""
        index = bisect_right(self.points, offered, key=lambda point: point.offered)
        if index < len(self.points):
            low, high = self.points[index - 1 : index + 1]
            share = (offered - low.offered) / (high.offered - low.offered)
            ends = ((low.served, high.served), (low.cpu, high.cpu), (low.taken, high.taken))
            return Point(offered, *(a + share * (b - a) for a, b in ends))
        last = self.points[-1]
        cpu = last.cpu + (offered - last.offered) * REFUSAL
        lost = max(0.0, cpu - self.handler.cores) / self.handler.work
        cpu = min(cpu, self.handler.cores)
        return Point(offered, max(0.0, last.served - lost), cpu, last.taken)


@cache
def curve(handler: Handler, seed: int = 1) -> Curve:
    """Simulate a pod at each of LOADS."""
    points = [Point(0.0, 0.0, 0.0, 0.0)]
    lasts = CONFIG.queue_timeout + handler.wait + handler.work / handler.cores
    for load in LOADS:
        rate = load * handler.capacity
        seconds = max(REQUESTS / rate, 10 * lasts)
        points.append(Pod(handler, rate, seed).run(3 * lasts, seconds))
    return Curve(handler, tuple(points))
