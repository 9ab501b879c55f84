"""Texts that make a regular expression slow if anything does, made from the pattern itself."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from re import _constants as op
from re import _parser
from typing import Any

import service

REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)
# What can make a match fail behind a long run.
TAILS = ("", "\0", "\rx", '"', ";x")


def patterns() -> dict[str, re.Pattern]:
    """Return all patterns in service/, whether they have a name or stand in a call."""
    found = {}
    for info in pkgutil.walk_packages(service.__path__, "service."):
        if info.name == "service.gunicorn_conf":  # reads the environment and takes over signals
            continue
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern):
                found[f"{info.name}.{name}"] = value
        for text in literal(Path(module.__file__)):
            found[f"{info.name}: {text!r}"] = re.compile(text)
    return found


def literal(file: Path) -> Iterator[Any]:
    """Yield the patterns that calls of re's functions are given as such."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of_re = isinstance(node.func.value, ast.Name) and node.func.value.id == "re"
            if of_re and node.args and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value


def texts(pattern: re.Pattern, size: int) -> Iterator[Any]:
    """Yield texts of about a size, for each of its repetitions and alternatives."""
    is_bytes = isinstance(pattern.pattern, bytes)
    source = pattern.pattern.decode("latin-1") if is_bytes else pattern.pattern
    tree = _parser.parse(source, pattern.flags & ~re.UNICODE if is_bytes else pattern.flags)
    for prefix, unit in set(attacks(tree.data, "")):
        count = size // len(unit) + 1
        runs = [unit * count, (prefix + unit) * (size // len(prefix + unit) + 1)]
        for run in runs:
            for tail in TAILS:
                text = prefix + run + tail
                yield text.encode("latin-1", "replace") if is_bytes else text


def attacks(items: list, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield what leads to each repetition, and what it repeats."""
    for number, (kind, value) in enumerate(items):
        before = prefix + sample(items[:number])
        if kind in REPEATS:
            for unit in units(value[2]):
                yield before, unit
            yield from attacks(list(value[2]), before)
        elif kind is op.SUBPATTERN:
            yield from attacks(list(value[3]), before)
        elif kind is op.ATOMIC_GROUP:
            yield from attacks(list(value), before)
        elif kind is op.BRANCH:
            for branch in value[1]:
                yield from attacks(list(branch), before)
        elif kind in (op.ASSERT, op.ASSERT_NOT):
            yield from attacks(list(value[1]), before)


def units(items: Any) -> list[str]:
    """Return some texts that a group matches, one for each alternative or range."""
    items = list(items)
    if len(items) == 1 and items[0][0] is op.IN:
        return [unit for unit in (of_set([one]) for one in items[0][1]) if unit] or [sample(items)]
    if len(items) == 1 and items[0][0] is op.BRANCH:
        return [unit for branch in items[0][1][1] if (unit := sample(list(branch)))]
    return [sample(items) or "x"]


def sample(items: list) -> str:
    """Return a short text that a sequence matches, as far as that is simple."""
    text = ""
    for kind, value in items:
        if kind is op.LITERAL:
            text += chr(value)
        elif kind is op.NOT_LITERAL:
            text += "x" if value != ord("x") else "y"
        elif kind is op.IN:
            text += of_set(value)
        elif kind is op.ANY:
            text += "x"
        elif kind in REPEATS:
            text += sample(list(value[2])) * value[0]
        elif kind is op.SUBPATTERN:
            text += sample(list(value[3]))
        elif kind is op.ATOMIC_GROUP:
            text += sample(list(value))
        elif kind is op.BRANCH:
            text += sample(list(value[1][0]))
    return text


def of_set(members: list) -> str:
    """Return a character of a set."""
    if members[0][0] is op.NEGATE:
        taken = {chr(value) for kind, value in members if kind is op.LITERAL}
        ranges = [value for kind, value in members if kind is op.RANGE]
        free = (c for c in "x a0\t\xe9" if c not in taken)
        return next((c for c in free if not any(low <= ord(c) <= up for low, up in ranges)), "x")
    kind, value = members[0]
    if kind is op.LITERAL:
        return chr(value)
    if kind is op.RANGE:
        return chr(value[0])
    return {"CATEGORY_DIGIT": "0", "CATEGORY_SPACE": " "}.get(str(value), "x")
