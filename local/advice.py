"""What the numbers of make tune say, and whether they say anything."""

from dataclasses import dataclass

NEAR = 0.9  # of the best is as good: fewer slots, shorter waits
COMPUTES = 0.5  # of a core busy at some step: what limits is the CPU, if nobody else uses it
ALONE = 0.75  # of a core busy with one client: its requests compute, and hardly wait
SCARCE = 0.25  # of the CPUs idle: with less, other processes take CPU from the service
MUCH = 0.25  # of a core, or of what the service uses if that is more: what others may use then


@dataclass(frozen=True)
class Step:
    """What so many slots served; times in seconds, CPU in cores."""

    concurrency: int
    rate: float
    p50: float
    p99: float
    cpu: float
    others: float = 0.0  # CPU of processes that are neither the service nor its clients
    idle: float = 1.0  # share of the CPUs

    @property
    def disturbed(self) -> bool:
        """Whether others took CPU that the service, or its clients, had use for."""
        return self.idle < SCARCE and self.others > MUCH * max(1.0, self.cpu)

    def __str__(self) -> str:
        """Return its line of the table."""
        return (
            f"{self.concurrency:11d} {self.rate:11.0f} {1000 * self.p50:8.1f} "
            f"{1000 * self.p99:8.1f} {self.cpu:9.0%}"
        )


def recommended(steps: list[Step]) -> Step:
    """Return the fewest slots that serve nearly as much as any."""
    best = max(step.rate for step in steps)
    return next(step for step in steps if step.rate >= NEAR * best)


def advice(steps: list[Step], last: int) -> str:
    """Say what to set, and what limits; `last` is the most slots that would have been tried."""
    step = recommended(steps)
    if steps[0].cpu >= ALONE and step is steps[0]:
        return (
            f"This path computes: a pod serves {step.rate:.0f}/s of it, whatever CONCURRENCY is. "
            "Leave that as it is, for paths that wait.\nThe CPU is the limit: more pods serve more."
        )
    if max(step.cpu for step in steps) >= COMPUTES:
        why = "The CPU is the limit: more slots serve no more, more pods do."
    elif step.concurrency == last:
        why = "Each slot still adds to it: the limit is what the handlers call."
    else:
        why = "What the handlers wait for is the limit, not the CPU."
    settings = f"CONCURRENCY={step.concurrency} QUEUE_LENGTH={2 * step.concurrency}"
    return (
        f"{settings} is enough for this path, at {step.rate:.0f}/s a pod. {why}\n"
        "All paths share the slots: set the most that any of them needs."
    )


def busy(steps: list[Step]) -> str:
    """Say that others had the CPU; empty if they had not."""
    most = max((step.others for step in steps if step.disturbed), default=0.0)
    if not most:
        return ""
    return (
        f"The machine is busy: do not trust these numbers. Other processes used {most:.1f} cores, "
        "and few were idle.\nEnd them, and type make tune again."
    )
