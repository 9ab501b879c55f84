"""What the text of a setting, or of an amount in a query, may be.

Each parser raises Invalid with what is allowed.
"""

import re
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from socket import inet_aton
from urllib.parse import urlsplit

MOST_UPSTREAMS = 16  # each has a pool and twenty series of metrics


class Invalid(Exception):
    """Raised by a parser; its text says what is allowed."""


def integer(low: int, high: int) -> Callable[[str], int]:
    """Allow whole numbers between two bounds, themselves included."""

    def parse(text: str) -> int:
        # int() alone also takes " 1_000 " and "+1". Nobody means these.
        if re.fullmatch("[0-9]{1,10}", text) and low <= int(text) <= high:
            return int(text)
        raise Invalid(f"a whole number from {low} to {high}")

    return parse


def decimal(low: float, high: float, decimals: int = 6) -> Callable[[str], float]:
    """Allow decimal numbers between two bounds, themselves included."""

    def parse(text: str) -> float:
        # float() alone also takes " 1_0.5 ", "1e3" and "nan".
        number = rf"[0-9]{{1,6}}(\.[0-9]{{1,{decimals}}})?"
        if re.fullmatch(number, text) and low <= float(text) <= high:
            return float(text)
        raise Invalid(f"a number from {low:g} to {high:g}")

    return parse


def seconds(low: float, high: float) -> Callable[[str], float]:
    """Allow seconds between two bounds, themselves included."""
    number = decimal(low, high, decimals=3)

    def parse(text: str) -> float:
        try:
            return number(text)
        except Invalid:
            allowed = f"seconds from {low:g} to {high:g}, with at most three decimals"
            raise Invalid(allowed) from None

    return parse


def boolean(text: str) -> bool:
    """Allow true and false."""
    if text in ("true", "false"):
        return text == "true"
    raise Invalid("true or false")


def one_of(*choices: str) -> Callable[[str], str]:
    """Allow some words."""

    def parse(text: str) -> str:
        if text in choices:
            return text
        raise Invalid(f"one of {', '.join(choices)}")

    return parse


def networks(value: str) -> str:
    """Allow addresses and networks, IPv4 and IPv6, in CIDR notation; returns it normalised."""
    try:
        return ",".join(str(_network(cidr.strip(" "))) for cidr in value.split(","))
    except ValueError:
        raise Invalid(
            "addresses and networks such as 10.0.0.0/8,fd00::/8, no bit set behind the prefix"
        ) from None


def _network(cidr: str) -> IPv4Network | IPv6Network:
    # ip_network() also takes netmasks and zones.
    network = ip_network(cidr) if re.fullmatch("[0-9A-Fa-f:.]+(/[0-9]{1,3})?", cidr) else None
    if network is None or getattr(network.network_address, "ipv4_mapped", None):
        raise ValueError  # a client's IPv4 address is compared as IPv4, never as a mapped one
    return network


def text(value: str) -> str:
    """Allow what a header can hold."""
    # These end up in response headers. A control character there would split the response. Names in
    # Kubernetes are at most 253 characters (RFC 1123 subdomain).
    if value.isascii() and value.isprintable() and value == value.strip() and len(value) <= 253:
        return value
    raise Invalid("at most 253 printable ASCII characters")


def file(value: str) -> str:
    """Allow the path of a file, whether it is there or not."""
    if value.isprintable() and len(value.encode()) < 4096:
        return value
    raise Invalid("the path of a file")


def collector(value: str) -> str:
    """Allow the address of a server, if the extra that sends to it is installed."""
    if not _is_plain_url(value):
        raise Invalid("an http:// or https:// URL without user, password and query")
    try:
        version("opentelemetry-exporter-otlp-proto-http")
    except PackageNotFoundError:
        raise Invalid(
            "OpenTelemetry is not installed; requirements-otel.txt has it, "
            "and so has an image built with it as build argument REQUIREMENTS"
        ) from None
    return value


def _is_plain_url(value: str) -> bool:
    # No credentials and no query: settings are logged. RFC 1123 section 2.1 for names, and the
    # underscore: some have one. What a client cannot ask for would fail much later than here.
    label = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
    host = rf"({label}(\.{label})*|\[[0-9A-Fa-f:.]+\])"
    if not re.fullmatch(rf"https?://{host}(:[0-9]{{1,5}})?(/[A-Za-z0-9._~/-]{{0,99}})?", value):
        return False
    try:  # urlsplit raises for brackets around what is no address, and for a port beyond 65535
        port = urlsplit(value).port
        return port is None or port > 0
    except ValueError:
        return False


def base_urls(value: str) -> str:
    """Allow base URLs of services, each once; returns them without the slash at their end."""
    urls = [url.strip(" ").rstrip("/") for url in value.split(",")]
    if len(urls) <= MOST_UPSTREAMS and all(map(_is_plain_url, urls)):
        urls = [_lower_host(url) for url in urls]
        names = {url.partition("://")[2] for url in urls}
        if len({_without_default_port(url) for url in urls}) == len(names) == len(urls):
            return ",".join(urls)
    raise Invalid(
        f"at most {MOST_UPSTREAMS} http:// or https:// URLs, with commas, each once, "
        "without user, password, query and fragment"
    )


def base_url(value: str) -> str:
    """Allow the base URL of one service; returns it without the slash at its end."""
    url = value.strip(" ").rstrip("/")
    if _is_plain_url(url):
        return _lower_host(url)
    raise Invalid("an http:// or https:// URL without user, password, query and fragment")


def _lower_host(url: str) -> str:
    scheme, host, path = re.fullmatch("(https?://)([^/]*)(.*)", url).groups()  # type: ignore[union-attr]
    return f"{scheme}{host.lower()}{path}"


def _without_default_port(url: str) -> str:
    """Return host, port and path: two upstreams differ in these."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.hostname}:{port}{parts.path}"


def numeric(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a host is, also in a form that only inet_aton() knows: 127.1."""
    try:
        address = ip_address(host)
    except ValueError:
        try:
            return IPv4Address(inet_aton(host)) if re.fullmatch("[0-9a-fx.]+", host) else None
        except OSError:
            return None
    return getattr(address, "ipv4_mapped", None) or address


def token(value: str) -> str:
    """Allow what a request can send as a Bearer token."""
    # RFC 6750: what may follow "Bearer ". This refuses a Secret made of a file with a newline at
    # its end: no request could carry it.
    if re.fullmatch(r"[A-Za-z0-9._~+/-]{16,200}=*", value):
        return value
    raise Invalid("16 to 200 letters, digits and -._~+/")
