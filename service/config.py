"""Settings: environment variables, parsed once into a frozen dataclass."""

import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, AnyStr, ClassVar
from urllib.parse import urlsplit

from service.parsing import (
    Invalid,
    base_url,
    base_urls,
    boolean,
    collector,
    file,
    integer,
    networks,
    numeric,
    one_of,
    seconds,
    text,
    token,
)
from service.setting_files import content
from service.version import __version__

# In a URL: behind the user, or in the query.
PASSWORD = re.compile(r"(//)[^/@]*:[^/@]*(@)|([?&]\w*password=)[^&\s]*")


class SettingError(ValueError):
    """One sentence that names the variable, its value and what is allowed."""


def _setting(default: Any, parse: Callable[[str], Any], meaning: str) -> Any:
    metadata = {"parse": parse, "meaning": meaning}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Config:
    """All settings; each field is the environment variable of the same name in upper case."""

    port: int = _setting(8000, integer(0, 65535), "port of the service; 0 = any free one")
    management_port: int = _setting(
        9000, integer(0, 65535), "port of probes and metrics; 0 = any free one"
    )
    metrics_on_http: bool = _setting(
        True, boolean, "whether PORT serves /metrics too; false where clients reach it"
    )
    tls_cert_file: str = _setting(
        "", file, "certificate and its chain, PEM; PORT then speaks HTTPS, and only that"
    )
    tls_key_file: str = _setting("", file, "the private key of TLS_CERT_FILE, PEM, not encrypted")
    log_level: str = _setting(
        "info", one_of("debug", "info", "warning", "error"), "least severe level that is logged"
    )
    max_content_length: int = _setting(
        1024 * 1024, integer(1, 2**30), "largest request body in bytes; a larger one gets 413"
    )
    concurrency: int = _setting(16, integer(1, 512), "requests served at once")
    queue_length: int = _setting(
        32, integer(0, 4096), "requests that may wait for a slot; two rounds of CONCURRENCY"
    )
    queue_timeout: float = _setting(
        0.3,
        seconds(0.01, 60),
        "seconds a request may wait for a slot in an overload; otherwise as long as it takes",
    )
    read_timeout: float = _setting(
        10.0, seconds(0.1, 3600), "seconds a whole request may take to arrive; then 408"
    )
    send_timeout: float = _setting(
        30.0,
        seconds(0.1, 3600),
        "seconds a response may wait for a client that does not read, in all; then it is cut",
    )
    handler_timeout: float = _setting(
        120.0,
        seconds(0.1, 86400),
        "seconds without a byte read or sent after which a request counts as stuck, and /healthz "
        "fails",
    )
    drain_seconds: int = _setting(
        0,
        integer(0, 3600),
        "seconds to go on serving after SIGTERM, while clients learn to connect elsewhere; "
        "0 where nobody does, as under docker stop",
    )
    graceful_timeout: int = _setting(
        30, integer(1, 3600), "seconds that requests in flight may take to finish at a stop"
    )
    keepalive: int = _setting(
        75,
        integer(1, 3600),
        "seconds an idle connection stays open; above the idle timeout of the proxy in front",
    )
    max_connection_age: float = _setting(
        60.0,
        seconds(1, 86400),
        "seconds after which an answer closes its connection, a tenth more or less: the client "
        "comes back through the Service, and may reach a new pod",
    )
    trusted_proxies: str = _setting(
        "",
        networks,
        "CIDRs, with commas, of the proxies whose X-Forwarded-For, -Proto and -Host are believed",
    )
    upstreams: str = _setting(
        "",
        base_urls,
        "base URLs, with commas, of the services that this one calls; /api/chain asks each",
    )
    upstream_concurrency: int = _setting(
        0,
        integer(0, 512),
        "calls to one upstream at once, beyond which a call fails with 503; 0 = half of "
        "CONCURRENCY, so that one that hangs leaves the other half to other routes",
    )
    request_timeout: float = _setting(
        5.0,
        seconds(0.01, 3600),
        "seconds from a request's arrival in which its calls to upstreams end; a caller's "
        "X-Request-Timeout takes its place; never more than GRACEFUL_TIMEOUT; it ends no handler",
    )
    chaos_token: str = _setting(
        "", token, "what a request for a fault must carry; without it there is no path /chaos/..."
    )
    chaos_max_seconds: float = _setting(
        60.0, seconds(0.1, 3600), "the most seconds that a fault may take"
    )
    chaos_max_bytes: int = _setting(
        128 * 1024 * 1024,
        integer(1, 2**33),
        "the most bytes that faults may hold together, or one may send in a second; the default "
        "leaves room below the memory limit",
    )
    otel_exporter_otlp_endpoint: str = _setting(
        "", collector, "base URL of an OpenTelemetry collector (OTLP/HTTP) to send spans to"
    )
    pod_name: str = _setting(socket.gethostname, text, "pod name; default: the host name")
    pod_namespace: str = _setting("", text, "namespace of the pod")
    pod_ip: str = _setting("", text, "IP address of the pod")
    node_name: str = _setting("", text, "node the pod runs on")
    service_account: str = _setting("", text, "service account of the pod")
    version: str = _setting(__version__, text, "version of the image; default: of the source")
    revision: str = _setting("", text, "commit the image was built from")

    # Names of the settings that came from files. They are as secret as their files.
    from_files: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Config":
        """Parse settings; an empty variable counts as unset.

        NAME_FILE names a file that holds the value of NAME. Raises SettingError for the first value
        that is not allowed.
        """
        values, from_files = {}, set()
        settings = {setting.name.upper(): setting for setting in fields(cls)}
        for name, setting in settings.items():
            parse, by_file = setting.metadata["parse"], f"{name}_FILE"
            try:
                # A setting of that name comes first, such as TLS_CERT_FILE beside one TLS_CERT.
                if by_file not in settings and (path := environ.get(by_file, "")):
                    values[setting.name] = _of_file(path, parse, name, environ)
                    from_files.add(name)
                elif given := environ.get(name, ""):
                    values[setting.name] = parse(given)
            except Invalid as allowed:
                shown = presentable(name, given)
                raise SettingError(f"{name}={shown} is not allowed: {allowed}") from None
        config = cls(**values)
        object.__setattr__(config, "from_files", frozenset(from_files))
        config.check()
        return config

    def check(self) -> None:
        """Raise SettingError for values that do not go together."""
        if self.port == self.management_port != 0:
            raise SettingError(
                f"MANAGEMENT_PORT={self.management_port} is not allowed: it must differ from PORT"
            )
        if bool(self.tls_cert_file) != bool(self.tls_key_file):
            given, missing = ("TLS_CERT_FILE", "TLS_KEY_FILE")[:: 1 if self.tls_cert_file else -1]
            shown = presentable(given, self.tls_cert_file or self.tls_key_file)
            raise SettingError(f"{given}={shown} is not allowed: {missing} must be set too")
        if self.handler_timeout <= self.graceful_timeout:
            raise SettingError(
                f"HANDLER_TIMEOUT={self.handler_timeout:g} is not allowed: it must be above "
                f"GRACEFUL_TIMEOUT ({self.graceful_timeout}), or a request that may still finish "
                "gets its pod killed"
            )

        if 1 < self.concurrency <= self.upstream_concurrency:
            raise SettingError(
                f"UPSTREAM_CONCURRENCY={self.upstream_concurrency} is not allowed: it must be "
                f"below CONCURRENCY ({self.concurrency}), or an upstream that hangs takes all slots"
            )
        for setting in fields(self):
            if setting.metadata["parse"] not in (base_url, base_urls):
                continue
            name = setting.name.upper()
            for url in filter(None, getattr(self, setting.name).split(",")):
                if is_itself(url, self):
                    raise SettingError(
                        f"{name}={presentable(name, url)} is not allowed: that is this "
                        "service itself, and would wait for its own slots"
                    )

    def __repr__(self) -> str:
        """Show no more than may be logged: gunicorn prints all that it was configured with."""
        return f"Config({self.public()})"

    def conceal(self, data: AnyStr) -> AnyStr:
        """Star the chaos token, in whatever case: a client may have put it anywhere."""
        if not self.chaos_token:
            return data
        pattern = re.escape(self.chaos_token)
        if isinstance(data, bytes):
            return re.sub(pattern.encode(), b"***", data, flags=re.IGNORECASE)
        return re.sub(pattern, "***", data, flags=re.IGNORECASE)

    def public(self) -> dict[str, Any]:
        """All settings by variable name, secrets starred."""
        shown = {}
        for setting in fields(self):
            name, value = setting.name.upper(), getattr(self, setting.name)
            secret = is_secret(name) or name in self.from_files or PASSWORD.search(str(value))
            shown[name] = "***" if value and secret else value
        return shown


def is_itself(url: str, config: Config) -> bool:
    """Tell whether a URL leads back to this instance, as far as the settings say who it is.

    The Service has the name of the ServiceAccount, as all objects of an instance have one name.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or {"http": 80, "https": 443}[parts.scheme]
    if config.service_account not in ("", "default"):
        service, domain = config.service_account, f"{config.pod_namespace}.svc.cluster.local"
        names = {service, *(f"{service}.{domain}".rsplit(".", cut)[0] for cut in (0, 1, 2, 3))}
        if host in (name.lower() for name in names):
            return True
    here = host in ("localhost", config.pod_name.lower()) or host.endswith(".localhost")
    address = numeric(host)
    if address is not None:
        own = numeric(config.pod_ip)
        here = address.is_loopback or address.is_unspecified or address == own
    return here and port in (config.port, config.management_port)


def is_secret(name: str) -> bool:
    """Tell by its name whether a setting, header or parameter holds a credential."""
    words = ("auth", "cookie", "key", "password", "secret", "token")
    return any(word in name.lower() for word in words)


def _of_file(path: str, parse: Callable[[str], Any], name: str, environ: Mapping[str, str]) -> Any:
    """Parse what a file holds. No error shows any of it."""
    try:
        if environ.get(name):
            raise Invalid(f"{name} is set too")
        held = content(path)
        try:
            return parse(held)
        except Invalid as allowed:
            raise Invalid(f"what it holds is not {allowed}") from None
    except Invalid as reason:
        # By mistake the path may be the secret itself.
        shown = ascii(path[:80]) if path.startswith("/") else "'***'"
        raise SettingError(f"{name}_FILE={shown} is not allowed: {reason}") from None


def presentable(name: str, text: str) -> str:
    """Return a value for an error message, shortened, or starred if it may be a secret."""
    # A URL may hold a password, and what should be the name of a file may be what is in it.
    if is_secret(name) or "@" in text or PASSWORD.search(text) or "PRIVATE KEY" in text:
        return "'***'"
    return ascii(text if len(text) <= 80 else text[:80] + "...")
