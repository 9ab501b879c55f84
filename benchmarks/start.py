"""Seconds from exec to the first answer: python -m benchmarks.start"""

from . import servers
from .comparison import Comparison, Goal, interleaved, show
from .processes import Server, running

ROUNDS = 5
GOALS = (Goal(servers.BARE.name, at_most=0.3, of="difference"),)


def seconds(server: Server) -> float:
    with running(server) as process:
        return process.seconds


def measure(rounds: int = ROUNDS) -> list[Comparison]:
    """Return how long each server takes, the first start of each left out: it compiles."""
    for server in servers.ALL:
        seconds(server)
    measurements = {server.name: lambda s=server: seconds(s) for server in servers.ALL}
    return [Comparison("exec to first answer", "s", interleaved(measurements, rounds), GOALS)]


if __name__ == "__main__":
    show(measure())
