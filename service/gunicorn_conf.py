"""gunicorn's settings; `python -m service` starts it with them."""

import contextlib
import gc
import logging
import os
import socket
import sys
import warnings
from dataclasses import fields
from importlib import import_module
from typing import Any

from service import drain, streams

on_terminal = drain.has_terminal()
drain.exit_on_stop_signals()  # from here on until gunicorn has handlers of its own

streams.install()  # before anything is printed or logged
# Python warns of a fork beside a thread. The thread that writes the log ends before a fork, unless
# it is stuck. That does no harm: the worker needs no lock that this thread can hold.
warnings.filterwarnings("ignore", ".* use of fork", DeprecationWarning, r"gunicorn\.arbiter")

from service import environment, otel_settings  # noqa: E402
from service.config import Config, SettingError  # noqa: E402

try:
    environment.check(os.environ)  # before anything that reads it is imported
    settings = Config.from_env(os.environ)
    if settings.otel_exporter_otlp_endpoint:
        otel_settings.check(os.environ)
except SettingError as error:
    drain.refuse_start(error)

from service import closing, gunicorn_options  # noqa: E402
from service.heartbeat import Heartbeat, folder  # noqa: E402
from service.logs import GunicornLogger, logging_config  # noqa: E402
from service.readiness import not_ready  # noqa: E402
from service.runtime import listeners  # noqa: E402
from service.runtime.worker import PodWorker, Settings  # noqa: E402
from service.state import POD  # noqa: E402
from service.tls.certificate import Certificate, Unusable  # noqa: E402

try:
    files = (settings.tls_cert_file, settings.tls_key_file)
    tls_certificate = Certificate(*files) if all(files) else None
except Unusable as unusable:
    shown = settings.public()[unusable.setting]
    drain.refuse_start(f"{unusable.setting}={shown!a} is not allowed: {unusable.reason}")


class Worker(PodWorker):
    """The worker of this pod."""

    settings = Settings(**{each.name: getattr(settings, each.name) for each in fields(Settings)})
    state = POD
    certificate = tls_certificate

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Refuse a setting that a configuration on top of this one has and must not have."""
        try:
            gunicorn_options.check_configuration(globals(), cfg)
        except SettingError as error:
            drain.refuse_start(error)
        super().check_config(cfg, log)

    def load_wsgi(self) -> None:
        """Load the app; if it refuses a setting, the pod ends with one sentence."""
        try:
            super().load_wsgi()
        except SettingError as error:
            POD.exit_code = 1
            drain.refuse_start(error)

    @staticmethod
    def render(registry: Any, accept: str) -> tuple[bytes, str]:
        """Return metrics as text, and their media type."""
        from service.exposition import render  # not above: it imports a part of Flask

        return render(registry, accept)

    @staticmethod
    def not_ready(app: Any) -> dict[str, Any] | None:
        """Return why an app takes no new clients; None if it does."""
        return not_ready(POD, getattr(app, "extensions", {}).get("dependencies"))


wsgi_app = "service:create_app()"
bind = f"[::]:{settings.port}"  # for gunicorn to show; on_starting opens it

# By these gunicorn tells the log and the app that we speak TLS. The worker reads the files itself.
certfile = settings.tls_cert_file or None
keyfile = settings.tls_key_file or None

# One process a pod and many threads: replicas do the scaling. Several workers share a listener
# unevenly (gunicorn#3433), and each would have metrics of its own.
workers = 1
worker_class = Worker
# One for each slot, and as many again as requests can be taken on at once: a request that waits for
# its own client keeps its thread and gives its slot to another.
threads = 2 * settings.concurrency + settings.queue_length
# Idle ones mostly: a thousand clients that keep theirs open, beside those being served.
worker_connections = 1000 + threads
# Connections that wait in the kernel, while a worker is replaced or the event loop has no CPU. The
# event loop takes and refuses thousands a second; a shorter queue overflows before it gets there,
# and each client that is dropped waits a second for its next try.
backlog = 1024
# After the time for requests there are seconds for the last spans, and for what the app closes.
# terminationGracePeriodSeconds has room for both.
flush_seconds = 2 if settings.otel_exporter_otlp_endpoint else 0
graceful_timeout = settings.graceful_timeout + flush_seconds + closing.LONGEST
keepalive = settings.keepalive
# A worker without a heartbeat for so long is replaced, within a minute in all.
timeout = 30

# The heartbeat touches a file. On a slow disk that takes long, and on a read-only root it fails.
try:
    worker_tmp_dir = folder("/dev/shm", None)  # noqa: S108
except OSError as problem:
    drain.refuse_start(f"TMPDIR={os.environ.get('TMPDIR', '')!a} is not allowed: {problem}")
# gunicorn would make a control socket in HOME at the start. That fails on a read-only root.
control_socket_disable = True

# gunicorn believes path and scheme of a peer on loopback, as a sidecar or kubectl port-forward is.
# Here TRUSTED_PROXIES names the peers to believe, and service/proxy.py does it.
forwarded_allow_ips = ""
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}

logger_class = GunicornLogger
logconfig_dict = logging_config(settings)
accesslog = "-"


def listening(name: str, port: int, backlog: int) -> socket.socket:
    """Return a listening socket; if there is none, end the start and say why."""
    try:
        return listeners.listen(port, backlog)
    except OSError as problem:
        why = os.strerror(problem.errno or 0)
        drain.refuse_start(f"{name}={port} is not allowed: {why}; set {name} to another port")


def on_starting(server: Any) -> None:
    """Log all settings once, before one of them can do harm; listen, and import the service."""
    Worker.check_config(server.cfg, server.log)  # gunicorn asks the class that was chosen instead
    logging.captureWarnings(True)
    server.log.info("settings", extra={"settings": settings.public()})
    # The master opens it, once. So no probe is refused while a worker is replaced.
    Worker.management_socket = listening("MANAGEMENT_PORT", settings.management_port, 64)
    server.log.info(
        "Management port listening at: %s", listeners.location(Worker.management_socket, "http")
    )
    # With gunicorn's own the machine's settings would choose between IPv4 and IPv6.
    listener = listening("PORT", settings.port, backlog)
    server.LISTENERS = [listeners.for_gunicorn(listener, server.cfg, server.log)]
    # gunicorn would act on the ignored ones until when_ready.
    server.SIGNALS = [number for number in server.SIGNALS if number not in drain.IGNORED]
    drain.protect_forks()
    # The worker shares what is imported before the fork. Its own import would write to modules that
    # it shares, and so copy them: 1 MiB more. Here SIGTERM still ends the process at once.
    with contextlib.suppress(Exception):  # it fails in the worker again, which says so
        import_module("service.factory")


def when_ready(server: Any) -> None:
    """Take over the signals that end the pod."""
    drain.Drain(server, POD, settings.drain_seconds, on_terminal)


def post_worker_init(worker: Any) -> None:
    """Give the app, if it is one of Flask's, the state of the whole pod in place of its own."""
    extensions = getattr(worker.wsgi, "extensions", {})
    extensions["pod_state"] = POD
    if "upstreams" in extensions:
        extensions["upstreams"].calling.is_overloaded = worker.is_overloaded


def pre_fork(server: Any, worker: Any) -> None:
    """Make memory ready to be shared, count workers, and say so when one replaces another."""
    worker.tmp = Heartbeat(worker.tmp)
    # Garbage collection writes to the objects that it looks at. The worker would copy more and more
    # of the memory that it shares with the master: 49 MiB after 50,000 requests, and 42 with this.
    # See gc.freeze.
    gc.collect()
    gc.freeze()
    POD.count_spawn()
    if POD.restarts:
        server.log.warning("worker restart %d in this pod", POD.restarts)


def child_exit(server: Any, _worker: Any) -> None:
    """End the container, if the worker that ended asked for it, with the code that it asked for.

    The container's exit code is the master's, not the worker's. gunicorn lets SystemExit through.
    Nothing is left to stop: there is one worker.
    """
    if (code := POD.exit_code) is not None:
        server.log.warning("exiting with code %d, as asked for", code)
        sys.exit(code)


def worker_exit(_server: Any, worker: Any) -> None:
    """Close what the app has opened, in the worker. The master calls this too, but has no app.

    The interpreter's exit would be too late: it waits for the threads of requests that hang.
    """
    app = getattr(worker, "wsgi", None)
    if flush_seconds and app:
        from service import tracing

        if not tracing.stop(app, flush_seconds):
            worker.log.warning("spans are lost: no answer from OTEL_EXPORTER_OTLP_ENDPOINT")
    if closes := getattr(app, "extensions", {}).get("closing"):
        closes.close()


try:  # at the end of this file: all our settings are known
    gunicorn_options.check_arguments(
        globals(), sys.argv[1:], os.environ.get("GUNICORN_CMD_ARGS", "")
    )
except SettingError as error:
    drain.refuse_start(error)
