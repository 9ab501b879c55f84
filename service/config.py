"""Settings: environment variables, parsed once into a frozen dataclass."""

import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from service.version import __version__


class SettingError(ValueError):
    """One sentence that names the variable, its value and what is allowed."""


class _Invalid(Exception):
    """What a parser raises; the text says what is allowed."""


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        # int() alone also takes " 1_000 " and "+1", which nobody means.
        if re.fullmatch("[0-9]{1,10}", text) and low <= int(text) <= high:
            return int(text)
        raise _Invalid(f"a whole number from {low} to {high}")

    return parse


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text in choices:
            return text
        raise _Invalid(f"one of {', '.join(choices)}")

    return parse


def _text(value: str) -> str:
    # These end up in response headers, where a control character would split the response; names in
    # Kubernetes are at most 253 characters (RFC 1123 subdomain).
    if value.isascii() and value.isprintable() and len(value) <= 253:
        return value
    raise _Invalid("at most 253 printable ASCII characters")


def _setting(default: Any, parse: Callable[[str], Any], meaning: str) -> Any:
    metadata = {"parse": parse, "meaning": meaning}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Config:
    """All settings; each field is the environment variable of the same name in upper case."""

    port: int = _setting(8000, _integer(0, 65535), "port of the service; 0 = any free one")
    log_level: str = _setting(
        "info", _one_of("debug", "info", "warning", "error"), "least severe level that is logged"
    )
    max_content_length: int = _setting(
        1024 * 1024, _integer(1, 2**30), "largest request body in bytes; a larger one gets 413"
    )
    concurrency: int = _setting(16, _integer(1, 512), "requests served at once (threads)")
    graceful_timeout: int = _setting(
        30, _integer(1, 3600), "seconds that requests in flight may take to finish at a stop"
    )
    keepalive: int = _setting(
        75,
        _integer(1, 3600),
        "seconds an idle connection stays open; above the idle timeout of the proxy in front",
    )
    pod_name: str = _setting(socket.gethostname, _text, "pod name; default: the host name")
    pod_namespace: str = _setting("", _text, "namespace of the pod")
    pod_ip: str = _setting("", _text, "IP address of the pod")
    node_name: str = _setting("", _text, "node the pod runs on")
    service_account: str = _setting("", _text, "service account of the pod")
    version: str = _setting(__version__, _text, "version of the image; default: of the source")
    revision: str = _setting("", _text, "commit the image was built from")

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Config":
        """Parse settings; an empty variable counts as unset.

        Raises SettingError for the first value that is not allowed.
        """
        values = {}
        for setting in fields(cls):
            name = setting.name.upper()
            if text := environ.get(name, ""):
                try:
                    values[setting.name] = setting.metadata["parse"](text)
                except _Invalid as allowed:
                    shown = _shown(name, text)
                    raise SettingError(f"{name}={shown} is not allowed: {allowed}") from None
        return cls(**values)

    def public(self) -> dict[str, Any]:
        """All settings by variable name, secrets starred."""
        shown = {}
        for setting in fields(self):
            value = getattr(self, setting.name)
            secret = _is_secret(setting.name) and value
            shown[setting.name.upper()] = "***" if secret else value
        return shown


def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in ("secret", "token", "password"))


def _shown(name: str, text: str) -> str:
    if _is_secret(name):
        return "'***'"
    return ascii(text if len(text) <= 80 else text[:80] + "...")
