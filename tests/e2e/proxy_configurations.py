"""The configurations of nginx, HAProxy and Envoy in docs/proxies.md, for other addresses."""

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs/proxies.md"
SERVICE = "hellopod.hellopod.svc"  # what the page's configurations lead to
FILES = {"nginx": "nginx.conf", "haproxy": "haproxy.cfg", "envoy": "envoy.yaml"}
# Around what the page says: that belongs into `http`. nginx wants to write into some folders.
NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{snippet}}}
"""


def snippets(name: str) -> list[str]:
    """Return what the page has for a proxy: one address, and what differs for several."""
    return re.findall(rf"```\w+ {name}\n(.*?)```", DOCS.read_text(), re.DOTALL)


def configuration(name: str, folder: str, listen: int, service: str, servers: list[int]) -> str:
    """Return a configuration that listens at a port.

    It leads to the service, or to these ports of loopback if there are any.
    """
    whole, several = snippets(name)
    before, one, after = re.split(r"(?ms)^( *# one address\n.*?)^ *# end\n", whole)
    if servers:
        hosts = iter(servers)
        one = re.sub(
            r"10\.0\.0\.\d(:|, port_value: )8000",
            lambda found: f"127.0.0.1{found[1]}{next(hosts)}",
            several,
        )
    text = before + one.replace(SERVICE, service) + after
    text, count = re.subn(r"(?<=[ :])8080", str(listen), text)
    assert count == 1
    return NGINX.format(folder=folder, snippet=text) if name == "nginx" else text
