"""Both ports listen on what the network has: IPv6, IPv4 or both; what is IPv4 is shown as such."""

import json

import pytest

from tests.process.namespace import HOSTS, LINK_LOCAL, ask_in

IPV4, IPV6 = HOSTS[:2]
ALL = [IPV4, IPV6, LINK_LOCAL]


@pytest.mark.parametrize(
    ("kind", "reached"),
    [
        ("ipv6", [IPV6, LINK_LOCAL]),
        ("ipv4", [IPV4]),
        ("without-ipv6", [IPV4]),
        ("both", ALL),
        ("ipv6-only-by-default", ALL),
    ],
)
def test_listens_on_what_there_is(kind, reached):
    found = ask_in(kind)
    records = [json.loads(line) for line in found["lines"]]

    for host in HOSTS:
        answers = found[host]
        if host not in reached:
            assert isinstance(answers["probes"][0], str), host  # the name of an error
            continue
        assert answers["probes"] == [200] * 4
        assert identity(answers, "identity") == [host.partition("%")[0], "a"]
        shown = "2001:db8::7" if host in (IPV4, LINK_LOCAL) else host  # those are trusted
        assert identity(answers, "forwarded") == [shown, "[2001:db8::1]"]
        wildcard = "0.0.0.0" if kind == "without-ipv6" else "[::]"  # noqa: S104
        assert identity(answers, "without host")[1].startswith(wildcard)
    logged = {record["remote_addr"] for record in records if record.get("remote_addr")}
    assert logged >= {host.partition("%")[0] for host in reached}
    assert not [address for address in logged if "ffff" in address or "%" in address]
    assert {record["level"] for record in records} == {"INFO"}
    assert found["code"] == 0


def identity(answers, which):
    status, body = answers[which]
    assert status == 200, body
    return [json.loads(body)[name] for name in ("remote_addr", "host")]
