"""Each regular expression and each default header is in one place."""

import ast
from collections import Counter
from pathlib import Path

import pytest

SERVICE = Path(__file__).parents[2] / "service"
SOURCES = {file: file.read_text() for file in SERVICE.rglob("*.py")}
TREES = [ast.parse(text) for text in SOURCES.values()]


def expressions():
    """Yield the source of each text that is handed to a function of re."""
    for node in (each for tree in TREES for each in ast.walk(tree)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and isinstance(node.args[0], (ast.Constant, ast.JoinedStr))
        ):
            yield ast.unparse(node.args[0])


def test_no_regular_expression_occurs_twice():
    found = Counter(expressions())

    assert len(found) > 10
    assert [text for text, times in found.items() if times > 1] == []


@pytest.mark.parametrize(
    "header", ["Cache-Control", "X-Content-Type-Options", "Content-Security-Policy"]
)
def test_a_default_header_has_one_module(header):
    assert len([file for file, text in SOURCES.items() if f'"{header}"' in text]) == 1
