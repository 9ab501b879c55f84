"""A pod's server as a process of the model: the event loop and threads, or stock gunicorn's.

The decisions are not modelled: they are service/runtime/admission.py itself, with the simulation's
clock and CPU meters in place of real ones.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from service.computing.meter import CpuMeter
from service.runtime.admission import Verdict

from .processor import Processor, Step, Steps, Thread

Script = Sequence[tuple[Step, float]]

BEFORE, AFTER = 0.00015, 0.00015  # CPU seconds that serving takes beside the handler
GTHREAD = 1.3  # times as many: on real processes 16 clients of w5 get 1.1 times the answers from us
READ, START, REFUSE = 0.00006, 0.00003, 0.00004  # CPU seconds of the event loop
LOOK = 0.00003  # CPU seconds of a look at the queue
TURN = 0.01  # seconds for the threads at most: service/runtime/worker.py
PROBE = 0.00005  # CPU seconds of each of its three system calls


class Request(CpuMeter):
    """Stands for the connection and its CPU meter; `answered` gets a status and the moment."""

    def __init__(self, script: Script, answered: Callable[[int, float], None]) -> None:
        super().__init__()
        self.script = script
        self.kind = str(id(script))
        self.answered = answered
        self.clock: Callable[[], float] | None = None
        self.meter = self

    def begin_in(self, thread: Thread, processor: Processor) -> None:
        """Start."""
        begun = processor.clock(thread)
        self.clock = lambda: processor.clock(thread) - begun

    def used(self) -> float:
        """Return CPU seconds so far."""
        return self.clock() if self.clock else 0.0


class Pod:
    """Our server."""

    def __init__(self, processor: Processor, admission: Any) -> None:
        self.processor = processor
        self.admission = admission
        self.events: deque[Request | Callable[[float], None]] = deque()
        self.started: deque[Request] = deque()
        self.idle: list[Thread] = []
        self.loop = processor.spawn(self._loop)

    def arrive(self, request: Request) -> None:
        """Receive a request."""
        self._event(request)

    def probe(self, answered: Callable[[float], None]) -> None:
        """Receive a probe."""
        self._event(answered)

    def _event(self, event: Any) -> None:
        if not self.events and not self.admission.waiting:
            self.processor.wake(self.loop)
        self.events.append(event)

    def _loop(self, _: Thread) -> Steps:
        admission, processor = self.admission, self.processor
        while True:
            end = processor.now + TURN
            while admission.waiting and processor.now < end - 1e-9:
                pause = min(end - processor.now, admission.beat)
                yield Step.WAIT, pause
                yield Step.RUN, LOOK + 1e-6 * admission.running
                yield from self._start_waiting()
            admission.paused = True
            if not self.events and not admission.waiting:
                yield Step.WAIT, 1.0
                yield Step.RUN, LOOK
            for _ in range(min(len(self.events), 256)):
                event = self.events.popleft()
                yield Step.CALL, READ
                if isinstance(event, Request):
                    yield from self._offer(event)
                else:
                    for _ in range(3):
                        yield Step.CALL, PROBE
                    event(processor.now)
            admission.paused = False
            yield Step.RUN, LOOK
            for request in admission.take_expired(processor.now):
                yield from self._refuse(request)
            yield from self._start_waiting()

    def _offer(self, request: Request) -> Steps:
        verdict = self.admission.offer(request, self.processor.now)
        if verdict is Verdict.RUN:
            yield Step.RUN, START
            self._start(request)
        elif verdict is Verdict.REFUSE:
            yield from self._refuse(request)

    def _refuse(self, request: Request) -> Steps:
        yield Step.CALL, REFUSE
        request.answered(503, self.processor.now)

    def _start_waiting(self) -> Steps:
        while request := self.admission.next(self.processor.now):
            yield Step.RUN, START
            self._start(request)

    def _start(self, request: Request) -> None:
        self.started.append(request)
        if self.idle:
            self.processor.wake(self.idle.pop())
        else:
            self.processor.spawn(self._thread)

    def _thread(self, thread: Thread) -> Steps:
        while True:
            request = self.started.popleft() if self.started else None
            while request is not None:
                request.begin_in(thread, self.processor)
                yield Step.RUN, BEFORE
                yield from request.script
                yield Step.CALL, AFTER
                request.answered(200, self.processor.now)
                request = self.admission.leave(request, self.processor.now)
                if not self.admission.waiting:
                    self.processor.wake(self.loop)
            if not self.started:
                self.idle.append(thread)
                yield Step.WAIT, math.inf


class Stock:
    """gunicorn's gthread: so many threads and a queue without a bound."""

    def __init__(self, processor: Processor, threads: int) -> None:
        self.processor = processor
        self.queue: deque[Request] = deque()
        self.events: deque[Request] = deque()
        self.idle: list[Thread] = []
        for _ in range(threads):
            processor.spawn(self._thread)
        self.loop = processor.spawn(self._loop)

    def arrive(self, request: Request) -> None:
        """Receive a request."""
        self.events.append(request)
        self.processor.wake(self.loop)

    def probe(self, answered: Callable[[float], None]) -> None:
        """Receive a probe: a request like any other."""
        self.arrive(Request([], lambda _, now: answered(now)))

    def _loop(self, _: Thread) -> Steps:
        while True:
            if not self.events:
                yield Step.WAIT, math.inf
            yield Step.CALL, READ
            self.queue.append(self.events.popleft())
            if self.idle:
                self.processor.wake(self.idle.pop())

    def _thread(self, thread: Thread) -> Steps:
        while True:
            while self.queue:
                request = self.queue.popleft()
                yield Step.RUN, BEFORE * GTHREAD
                yield from request.script
                yield Step.CALL, AFTER * GTHREAD
                request.answered(200, self.processor.now)
            self.idle.append(thread)
            yield Step.WAIT, math.inf
