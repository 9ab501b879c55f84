"""What an expression asks for, from its syntax tree."""

from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    MatrixSelector,
    ParenExpr,
    VectorSelector,
    parse,
    walk,
)


def nodes(expr: Expr, kind: type) -> list:
    """Return the parts of one kind; the expression itself is one of them."""
    found: list = []
    walk(expr, lambda node: found.append(node) if isinstance(node, kind) else None)
    return found


def metrics(text: str) -> set[str]:
    """Return the names of the metrics in an expression."""
    return {selector.name for selector in nodes(parse(text), VectorSelector)}


def grouping(node: AggregateExpr | BinaryExpr) -> set[str] | None:
    """Return the labels behind `by` or `on`; None without."""
    modifier = node.modifier
    if isinstance(node, BinaryExpr):
        modifier = modifier and modifier.matching
    return set(modifier.labels) if modifier else None


def labels(node: Expr, known: dict[str, set[str]]) -> set[str]:
    """Return the labels that a result can have, given those of each metric."""
    if isinstance(node, VectorSelector):
        return known[node.name]
    if isinstance(node, MatrixSelector):
        return known[node.vector_selector.name]
    if isinstance(node, AggregateExpr):
        return grouping(node) or set()
    if isinstance(node, ParenExpr):
        return labels(node.expr, known)
    if isinstance(node, BinaryExpr):
        return grouping(node) or labels(node.lhs, known) | labels(node.rhs, known)
    if isinstance(node, Call):
        found = set().union(*(labels(argument, known) for argument in node.args))
        return found - {"le"} if node.func.name == "histogram_quantile" else found
    return set()
