"""Variables that other programs read, and that would break a promise of hellopod.

service/gunicorn_options.py has the same for gunicorn's own settings.
"""

from collections.abc import Mapping

from service.config import SettingError

ONE_WORKER = "one worker serves a pod: CONCURRENCY is for its requests, replicas are for the rest"
AT_ROOT = "the service is at /: let the proxy remove the prefix"
IN_MEMORY = "metrics are in the memory of the one worker"
BY_PORT = "PORT and MANAGEMENT_PORT say where it listens"
# Why each of them may not be set, and what to set instead.
REFUSED = {
    "WEB_CONCURRENCY": ONE_WORKER,
    "FORWARDED_ALLOW_IPS": "TRUSTED_PROXIES says which proxies are believed",
    "SCRIPT_NAME": AT_ROOT,
    "PROMETHEUS_MULTIPROC_DIR": IN_MEMORY,
    "prometheus_multiproc_dir": IN_MEMORY,
    "PYTHONINSPECT": "Python would wait for input where it should end",
    "FLASK_DEBUG": "errors would pass the app's handlers by; LOG_LEVEL=debug is for the log",
    # By these a gunicorn hands its sockets to its successor, and systemd to a service.
    "GUNICORN_PID": BY_PORT,
    "GUNICORN_FD": BY_PORT,
    "LISTEN_FDS": BY_PORT,
}
HARMLESS = {"WEB_CONCURRENCY": ("1",), "FLASK_DEBUG": ("0", "false", "no"), "LISTEN_FDS": ("0",)}


def check(environ: Mapping[str, str]) -> None:
    """Raise SettingError for the first variable that may not be set; an empty one is not."""
    for name, instead in REFUSED.items():
        value = environ.get(name, "")
        if value and value.lower() not in HARMLESS.get(name, ()):
            raise SettingError(f"{name}={value[:80]!a} is not allowed: {instead}")
