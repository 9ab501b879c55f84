"""How a pod stops: what the master does on a signal, and how no fork loses one."""

import os
import signal
import sys
from typing import Any, NoReturn

from service import streams
from service.state import PodState, Stage

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# gunicorn would reload, open log files anew, execute itself, or change the number of workers.
# Settings are read once, there are no files and one worker; a rollout does what a reload would.
IGNORED = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU)


def leave(_sig: int, _frame: Any) -> None:
    """Exit at once, whatever Python is in the middle of: nothing is being served yet."""
    streams.flush()
    os._exit(0)


def refuse_start(reason: object) -> NoReturn:
    """Exit with code 1 and one sentence: a setting is wrong.

    Not by SystemExit: Python shows that as a traceback when PYTHONINSPECT is set.
    """
    print(f"hellopod: {reason}", file=sys.stderr)
    streams.flush()
    os._exit(1)


def exit_on_stop_signals() -> None:
    """Have SIGTERM and SIGINT end a process that is starting.

    As PID 1 it would not even notice them: the kernel spares it the default actions.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, leave)


def ignore(_sig: int, _frame: Any) -> None:
    """Do nothing. Unlike SIG_IGN this is not inherited by programs that the app starts."""


def has_terminal() -> bool:
    """Whether the process has a controlling terminal: it gets SIGHUP when that closes.

    False if the process is to outlive its terminal, as with nohup.
    """
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        return False
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def protect_forks() -> None:
    """Keep stop signals from being lost in a new worker.

    A worker has the master's handlers until it sets its own. Those put a signal into a queue, but
    in the worker nobody reads it. The worker would live on until graceful_timeout.
    """
    master = os.getpid()
    stop_signals = set(STOP_SIGNALS)

    def in_child() -> None:
        if os.getppid() == master:
            exit_on_stop_signals()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, stop_signals)

    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, stop_signals),
        after_in_child=in_child,
    )


class Drain:
    """Replaces the master's handlers of SIGTERM and SIGINT; its own follow after `seconds`.

    First SIGTERM: drain for `seconds`, then gunicorn's graceful stop. A second one, or SIGINT: the
    graceful stop now. SIGINT after that: gunicorn's quick one. `on_terminal`: SIGHUP is as SIGINT.
    """

    def __init__(self, arbiter: Any, state: PodState, seconds: int, on_terminal: bool) -> None:
        self.arbiter = arbiter
        self.state = state
        self.seconds = seconds
        signal.signal(signal.SIGALRM, self.on_alarm)
        signal.signal(signal.SIGTERM, self.on_term)
        signal.signal(signal.SIGINT, self.on_interrupt)
        for number in IGNORED:
            signal.signal(number, ignore)
        if on_terminal:
            signal.signal(signal.SIGHUP, self.on_hangup)

    def on_term(self, _sig: int, _frame: Any) -> None:
        """Drain; or stop at once: with no worker ready, without seconds, or at a second signal."""
        if self.state.stage == Stage.SERVING and self.state.booted and self.seconds:
            self.state.stage = Stage.DRAINING
            signal.setitimer(signal.ITIMER_REAL, self.seconds)
        else:
            self.go(Stage.STOPPING if self.state.stage == Stage.SERVING else Stage.LEAVING)

    def on_interrupt(self, sig: int, _frame: Any) -> None:
        """Stop; at the second one gunicorn shuts down quickly."""
        if self.state.stage == Stage.LEAVING:
            self.arbiter.SIG_QUEUE.put_nowait(sig)
        self.go(Stage.LEAVING)

    def on_hangup(self, _sig: int, _frame: Any) -> None:
        """Stop. There is no quick shutdown: a closed terminal sends no second signal."""
        self.go(Stage.LEAVING)

    def on_alarm(self, _sig: int, _frame: Any) -> None:
        """Stop, as the drain is over; ignore the signal if it is not from our own timer."""
        if self.state.stage == Stage.DRAINING and not signal.getitimer(signal.ITIMER_REAL)[0]:
            self.go(Stage.STOPPING)

    def go(self, stage: Stage) -> None:
        """Have gunicorn stop gracefully."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        self.state.stage = max(stage, Stage(self.state.stage))
        self.arbiter.SIG_QUEUE.put_nowait(signal.SIGTERM)
