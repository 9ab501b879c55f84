"""Which of gunicorn's settings somebody else may set, and what to set instead of the others.

gunicorn takes them from its command line, from GUNICORN_CMD_ARGS, and from a configuration that
adds to ours. A setting that is in neither list is one of a newer gunicorn: it is refused too.
"""

import io
import re
import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from typing import Any, NoReturn

from gunicorn.config import Config

from service.config import SettingError
from service.environment import AT_ROOT, ONE_WORKER

# The least that each may be: the kubelet's probes and Prometheus' scrapes have to fit, with room.
# To gunicorn 0 means none.
LIMITS = {
    "limit_request_line": 100,  # bytes
    "limit_request_fields": 10,
    "limit_request_field_size": 500,  # bytes: what Prometheus accepts takes about 350
}
# The promises hold with any value of these.
ALLOWED = LIMITS.keys() | set(
    "config wsgi_app check_config print_config chdir pythonpath proc_name default_proc_name "
    "post_fork worker_int worker_abort nworkers_changed on_exit".split()
)
IN_IMAGE = "the image's USER or the pod's securityContext says who it runs as"
IN_LOG = "the log goes to stdout; LOG_LEVEL says how much of it"
RESTARTS = "a changed setting or version is a rollout, and `skaffold dev` follows changed files"
NO_WORKER_CHANGE = "a worker is only replaced when it fails, for nothing is served meanwhile"
STRICT = "requests are read strictly (RFC 9112), by hellopod's own parser"
HTTP_1 = "the port speaks HTTP/1.1, or with TLS_CERT_FILE HTTPS"
OUR_HOOK = "it is how hellopod starts and stops: edit service/gunicorn_conf.py"
NEVER_CALLED = "hellopod's worker does not call it"
# What to do instead of setting these.
INSTEAD = {
    "set PORT": "bind reuse_port",
    ONE_WORKER: "workers threads worker_class worker_connections backlog",
    NO_WORKER_CHANGE: "max_requests max_requests_jitter",
    "set GRACEFUL_TIMEOUT": "graceful_timeout",
    "set KEEPALIVE": "keepalive",
    "set HANDLER_TIMEOUT": "timeout",
    RESTARTS: "reload reload_engine reload_extra_files preload_app",
    "set TRUSTED_PROXIES": "secure_scheme_headers forwarded_allow_ips forwarder_headers header_map",
    IN_LOG: "accesslog access_log_format errorlog loglevel capture_output logger_class logconfig "
    "logconfig_dict logconfig_json syslog syslog_addr syslog_prefix syslog_facility "
    "disable_redirect_access_to_syslog spew",
    "scrape /metrics": "statsd_host statsd_prefix dogstatsd_tags enable_backlog_metric",
    IN_IMAGE: "user group initgroups umask",
    "it runs in the foreground, as process 1 of its container": "daemon pidfile "
    "enable_stdio_inheritance control_socket control_socket_mode control_socket_disable",
    "set the variable itself": "raw_env",
    "mount an emptyDir at /tmp": "worker_tmp_dir tmp_upload_dir",
    "set TLS_CERT_FILE and TLS_KEY_FILE": "certfile keyfile ssl_version cert_reqs ca_certs ciphers "
    "suppress_ragged_eofs do_handshake_on_connect ssl_context",
    HTTP_1: "protocol proxy_protocol proxy_allow_ips uwsgi_allow_ips http_protocols "
    "http2_cleartext http2_max_concurrent_streams http2_initial_window_size "
    "http2_max_frame_size http2_max_header_list_size websocket_max_message_size",
    STRICT: "permit_obsolete_folding strip_header_spaces permit_unconventional_http_method "
    "permit_unconventional_http_version casefold_http_method http_parser sendfile",
    AT_ROOT: "root_path",
    "only WSGI apps are served, by this one worker": "paste raw_paste_global_conf asgi_loop "
    "asgi_lifespan asgi_disconnect_grace_period dirty_apps dirty_workers dirty_timeout "
    "dirty_threads dirty_graceful_timeout on_dirty_starting dirty_post_fork dirty_worker_init "
    "dirty_worker_exit",
    OUR_HOOK: "on_starting when_ready pre_fork post_worker_init child_exit worker_exit",
    NEVER_CALLED: "on_reload pre_exec pre_request post_request",
}
REFUSED = {name: instead for instead, names in INSTEAD.items() for name in names.split()}
VARIABLE = "GUNICORN_CMD_ARGS"


def configured(ours: Mapping[str, Any]) -> Config:
    """Return gunicorn's settings with ours, and without those of anybody else."""
    config = Config()
    for name, value in ours.items():
        if name in config.settings:
            config.set(name, value)
    return config


def check_arguments(ours: Mapping[str, Any], arguments: list[str], variable: str) -> None:
    """Raise SettingError for a setting in GUNICORN_CMD_ARGS or the command that may not be there.

    This comes early: gunicorn acts on some of them before it calls any hook.
    """
    by_variable, by_command = parsed_variable(variable), parsed(arguments)
    if by_variable.config and by_command.config not in (None, by_variable.config):
        source = f"--config={by_variable.config!a} in {VARIABLE}"
        raise SettingError(f"{source} is not allowed: the command has another, and that wins")
    if by_variable.args:
        raise SettingError(f"an app in {VARIABLE} is not allowed: the command line names it")
    for options, source in ((by_variable, f" in {VARIABLE}"), (by_command, "")):
        config = configured(ours)
        for name, value in vars(options).items():
            if value is not None and name in config.settings:
                check_option(config, name, value, source)


@cache
def parser() -> ArgumentParser:
    """Return gunicorn's own parser of options."""
    made: ArgumentParser = Config("%(prog)s [OPTIONS] [APP_MODULE]", "python -m service").parser()
    return made


def parsed(options: list[str], source: str = "the command line") -> Namespace:
    """Parse options; raise SettingError where gunicorn would end with its usage text."""
    said = io.StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            return parser().parse_args(options)
    except SystemExit as end:
        if not end.code and source != VARIABLE:
            print(said.getvalue(), end="")  # of --help or --version
            raise
        reason = said.getvalue().partition(" error: ")[2] or "--help and --version serve nothing"
        without_values = re.sub(r"=\S+", "=...", reason.strip())  # they may be secrets
        shown = without_values.encode("unicode_escape").decode()[:200]
        raise SettingError(f"{source} is not allowed: {shown}") from None


def parsed_variable(variable: str) -> Namespace:
    """Parse GUNICORN_CMD_ARGS as gunicorn does; raise SettingError if it cannot be."""
    try:
        options = shlex.split(variable)
    except ValueError as error:
        raise SettingError(f"{VARIABLE} is not allowed: {error}") from None
    return parsed(options, VARIABLE)


def check_option(config: Config, name: str, value: Any, source: str) -> None:
    """Raise SettingError if this value of an option may not be set."""
    before = config.settings[name].get()
    try:
        config.set(name, value)
    except Exception as error:
        refuse(config, name, value, source, str(error))
    if not is_fine(name, before, config):
        refuse(config, name, value, source)


def check_configuration(ours: Mapping[str, Any], config: Config) -> None:
    """Raise SettingError for what another configuration has set that may not be."""
    expected = configured(ours)
    for name in config.settings:
        if not is_fine(name, expected.settings[name].get(), config):
            refuse(config, name, config.settings[name].get(), "")


def is_fine(name: str, before: Any, config: Config) -> bool:
    """Whether the promises hold with what a setting is now."""
    now = config.settings[name].get()
    return now >= LIMITS[name] if name in LIMITS else name in ALLOWED or now == before


def refuse(config: Config, name: str, value: Any, source: str, reason: str = "") -> NoReturn:
    """Raise SettingError; `reason` is gunicorn's own, for what may be set to something else."""
    options = config.settings[name].cli
    value = ",".join(map(str, value)) if isinstance(value, list) else value
    shown = "'***'" if name == "raw_env" else ascii(value)[:80]  # that may hold a secret
    reason = reason.encode("unicode_escape").decode() or "hellopod does not know it"
    instead = REFUSED.get(name, reason)
    if name in LIMITS:
        instead = f"at least {LIMITS[name]}, for probes and scrapes"
    where = f"{options[-1] if options else name}={shown}{source}"
    raise SettingError(f"{where} is not allowed: {instead}")
