"""The hops of a chain as a tree. What an upstream says of the hops after it may be made up."""

import re
from typing import Any, TypeAlias

from service.parsing import MOST_UPSTREAMS
from service.upstream import Answer, UpstreamFailed
from service.upstream.answer import STATUS_OF

Hop: TypeAlias = dict[str, Any]

NAME = re.compile(r"[\x21-\x7e]{1,400}")  # of a pod, or of an upstream
LONGEST = 86400.0  # seconds


def failed_hop(upstream: str, failed: UpstreamFailed, seconds: float) -> Hop:
    """Return the hop of an upstream that failed; without an answer its status is ours for it."""
    answer = failed.answer
    return {
        "upstream": upstream,
        "pod": pod_of(answer) if answer else None,
        "status": answer.status if answer else failed.code,
        "outcome": failed.outcome,
        "seconds": seconds,
        "body_bytes": None,
        "upstreams": [],
    }


def answered_hop(upstream: str, answer: Answer, seconds: float, depth: int) -> Hop:
    """Return the hop of an upstream that answered, and those after it, at most `depth` deep."""
    try:
        said = answer.json() if answer.status == 200 else None
    except UpstreamFailed:
        said = None
    found = read(said, depth) or {"pod": pod_of(answer), "body_bytes": None, "upstreams": []}
    return {
        "upstream": upstream,
        "pod": found["pod"],
        "status": answer.status,
        "outcome": "ok",
        "seconds": seconds,
        "body_bytes": found["body_bytes"],
        "upstreams": found["upstreams"],
    }


def pod_of(answer: Answer) -> str | None:
    """Return which pod answered, if it says so."""
    return name_of(answer.headers.get("x-pod-name"))


def read(said: Any, depth: int) -> Hop | None:
    """Return the hop that another instance describes; None if it describes none."""
    if not isinstance(said, dict) or not isinstance(said.get("upstreams"), list):
        return None
    hops = said["upstreams"][:MOST_UPSTREAMS] if depth > 0 else []
    seconds, outcome = number(said.get("seconds"), 0, LONGEST), said.get("outcome")
    return {
        "upstream": name_of(said.get("upstream")),
        "pod": name_of(said.get("pod")),
        "status": int(number(said.get("status"), 100, 999) or 502),
        "outcome": outcome if isinstance(outcome, str) and outcome in STATUS_OF else "broken",
        "seconds": seconds or 0.0,
        "body_bytes": whole(said.get("body_bytes")),
        "upstreams": [hop for each in hops if (hop := read(each, depth - 1))],
    }


def name_of(said: Any) -> str | None:
    """Return a name, if it may be one."""
    return said if isinstance(said, str) and NAME.fullmatch(said) else None


def whole(said: Any) -> int | None:
    """Return a number of bytes, if it may be one."""
    return said if type(said) is int and 0 <= said < 2**63 else None


def number(said: Any, low: float, high: float) -> float | None:
    """Return a number within bounds, if it is one."""
    if type(said) not in (int, float) or not low <= said <= high:  # so is nan
        return None
    return float(said)


def failed_hops(tree: Hop) -> list[str]:
    """Return the upstreams that failed, anywhere in a tree, and how."""
    found = []
    for hop in tree["upstreams"]:
        if hop["outcome"] != "ok":
            found.append(f"{hop['upstream']} ({hop['outcome']})")
        elif hop["status"] >= 400:
            found.append(f"{hop['upstream']} ({hop['status']})")
        found += failed_hops(hop)
    return found
