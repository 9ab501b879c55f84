"""Amounts that a request asks for. One out of bounds gets 422, and hears what is allowed."""

import re
from collections.abc import Callable
from typing import NoReturn, TypeVar

from flask import abort, current_app, request

from service.parsing import Invalid, decimal, integer

Amount = TypeVar("Amount")

CODE = "[2-5][0-9]{2}"
WEIGHTED = f"{CODE}(:[1-9][0-9]{{0,2}})?"


def longest() -> float:
    """Return the most seconds that a fault may take."""
    most: float = current_app.extensions["config"].chaos_max_seconds
    return most


def most_bytes() -> int:
    """Return the most bytes of a fault."""
    most: int = current_app.extensions["config"].chaos_max_bytes
    return most


def seconds(default: float) -> float:
    """Return the seconds that were asked for."""
    return number("seconds", min(default, longest()), 0, longest())


def number(name: str, default: float, low: float, high: float) -> float:
    """Return a number from the query, within bounds."""
    return parsed(name, request.args.get(name, str(default)), decimal(low, high))


def whole(name: str, default: int, low: int, high: int) -> int:
    """Return a whole number from the query, within bounds."""
    return whole_of(name, request.args.get(name, str(default)), low, high)


def whole_of(name: str, text: str, low: int, high: int) -> int:
    """Return the whole number that a text is, within bounds."""
    return parsed(name, text, integer(low, high))


def parsed(name: str, text: str, parse: Callable[[str], Amount]) -> Amount:
    """Return what a parser of settings makes of a text."""
    try:
        return parse(text)
    except Invalid as allowed:
        refuse(name, text, str(allowed))


def weighted_codes(text: str) -> tuple[list[int], list[int]]:
    """Return status codes and their weights: "200:9,503:1" is 503 once in ten times."""
    if not re.fullmatch(f"{WEIGHTED}(,{WEIGHTED})*", text):
        allowed = "status codes from 200 to 599, with weights from 1 to 999 if they are several"
        refuse("codes", text, f"{allowed}, as in 503 or 200:9,503:1")
    pairs = [part.partition(":") for part in text.split(",")]
    return [int(code) for code, _, _ in pairs], [int(weight or 1) for _, _, weight in pairs]


def refuse(name: str, text: str, allowed: str) -> NoReturn:
    """Answer 422 and say what is allowed."""
    text = current_app.extensions["config"].conceal(text)  # before the cut
    abort(422, f"{name}={ascii(text[:80])} is not allowed: {allowed}")
