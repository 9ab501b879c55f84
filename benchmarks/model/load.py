"""Clients of the model: those that wait for their answers, and those that come whatever happens."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .pod import Request, Script
from .processor import Processor

PAUSE = 0.1  # seconds until a client that was refused asks again
Choose = Callable[[random.Random], Script]


@dataclass
class Answer:
    """What became of a request; without a status it has none yet."""

    sent: float
    kind: str = ""
    status: int | None = None
    ended: float = math.inf

    @property
    def took(self) -> float:
        return self.ended - self.sent


@dataclass
class Clients:
    """Sends requests to a server and keeps all answers."""

    processor: Processor
    server: Any
    answers: list[Answer] = field(default_factory=list)
    probes: list[float] = field(default_factory=list)

    def open(
        self, rate: Callable[[float], float], until: float, choose: Choose, kind: str = ""
    ) -> None:
        """Send `rate(time)` requests a second, at random, whatever becomes of the earlier ones."""
        most = max(rate(until * i / 1000) for i in range(1001))
        chance = random.Random(self.processor.random.random())  # noqa: S311

        def arrive() -> None:
            if chance.random() * most < rate(self.processor.now):
                self.send(choose(chance), kind)
            following = self.processor.now + chance.expovariate(most)
            if following < until:
                self.processor.at(following, arrive)

        if most:
            self.processor.at(self.processor.now + chance.expovariate(most), arrive)

    def burst(self, at: float, number: int, choose: Choose, kind: str = "") -> None:
        """Send so many at once."""
        chance = random.Random(self.processor.random.random())  # noqa: S311
        for _ in range(number):
            self.processor.at(at, lambda: self.send(choose(chance), kind))

    def closed(
        self,
        number: int,
        begin: float,
        until: float,
        choose: Choose,
        kind: str = "",
        pause: float = PAUSE,
    ) -> None:
        """Let so many clients send one request after the other."""
        chance = random.Random(self.processor.random.random())  # noqa: S311

        def again(answer: Answer) -> None:
            at = answer.ended + (pause if answer.status == 503 else 0.0001)
            if at < until:
                self.processor.at(at, lambda: self.send(choose(chance), kind, again))

        for client in range(number):
            self.processor.at(begin + client * 1e-5, lambda: self.send(choose(chance), kind, again))

    def send(self, script: Script, kind: str, then: Callable[[Answer], None] | None = None) -> None:
        answer = Answer(self.processor.now, kind)
        self.answers.append(answer)

        def answered(status: int, now: float) -> None:
            answer.status, answer.ended = status, now
            if then:
                then(answer)

        self.server.arrive(Request(script, answered))

    def probe(self, until: float, every: float = 0.05) -> None:
        """Send probes, as many as it takes to see a percentile."""

        def ask() -> None:
            sent = self.processor.now
            place = len(self.probes)
            self.probes.append(math.inf)

            def answered(now: float) -> None:
                self.probes[place] = now - sent

            self.server.probe(answered)
            if sent + every < until:
                self.processor.at(sent + every, ask)

        self.processor.at(self.processor.now + every, ask)
