"""Conditions over the columns of a table, written as for ``DataFrame.query``; nothing in them is ever called."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from evals.files.yaml_files import suggestion

UNKNOWN: Final = object()
"""A value of which nobody knows what it is, as against None, which is known to be missing."""

_Row: TypeAlias = Mapping[str, Any]
_Test: TypeAlias = Callable[[_Row], bool | None]

_LONGEST, _DEEPEST, _SHOWN = 2000, 100, 80
_EXAMPLE = "write one, as in: language == 'de'"
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Is: operator.eq,
    ast.IsNot: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda value, values: values is not None and value in values,
    ast.NotIn: lambda value, values: values is None or value not in values,
}
_ORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


class ConditionError(ValueError):
    """A condition was refused; the message is one sentence that says why, and what may be written."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was checked: its ``text``, the ``columns`` that it names, and ``holds``, its answer for a row.

    The answer is None where it hangs on a value that is `UNKNOWN`.
    """

    text: str
    columns: tuple[str, ...]
    holds: _Test


def read_condition(text: str, columns: Iterable[str]) -> Condition:
    """Read a condition over some columns.

    It is made of names of columns, constants and lists of them, compared with ``== != < <= > >= in not in``, joined by
    ``and or not`` (or ``& | ~`` around parentheses). A missing value is ``None`` and has no order.

    Raises
    ------
    ConditionError
        If it is no such condition or names an unknown column.

    Examples
    --------
    >>> condition = read_condition("language in ['de', 'fr'] and not shot > 1", ["language", "shot", "tags"])
    >>> condition.holds({"language": "de", "shot": 1}), condition.holds({"language": None, "shot": UNKNOWN})
    (True, False)
    >>> read_condition("'poster' in tags", ["tags"]).holds({"tags": ["poster", "sign"]})
    True
    """
    if not isinstance(text, str) or not text.strip() or len(text) > _LONGEST:
        raise ConditionError(f"where: a condition is a text of 1 to {_LONGEST} characters; {_EXAMPLE}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        if _depth(tree) > _DEEPEST:
            raise ConditionError(f"where: it is nested more than {_DEEPEST} levels deep; {_EXAMPLE}")
        names = dict.fromkeys(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
        test = _test(tree)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        if isinstance(error, ConditionError):
            raise
        raise ConditionError(f"where: {text[:_SHOWN]!r} is not a condition; {_EXAMPLE}") from None
    known = list(columns)
    for name in names:
        if name not in known:
            raise ConditionError(f"where: there is no column {name!r}; {suggestion(name, known)}")
    if not names:
        raise ConditionError(f"where: {text[:_SHOWN]!r} names no column; {_EXAMPLE}")
    return Condition(text.strip(), tuple(names), test)


def _depth(node: ast.AST) -> int:
    return 1 + max(map(_depth, ast.iter_child_nodes(node)), default=0)


def _test(node: ast.expr) -> _Test:
    match node:
        case ast.BoolOp(op=ast.And(), values=parts):
            return _all([_test(part) for part in parts])
        case ast.BoolOp(values=parts):
            return _any([_test(part) for part in parts])
        case ast.BinOp(left=left, op=ast.BitAnd(), right=right):
            return _all([_test(left), _test(right)])
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _any([_test(left), _test(right)])
        case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=operand):
            return _not(_test(operand))
        case ast.Compare(left=left, ops=ops, comparators=others):
            pairs = zip([left, *others[:-1]], ops, others, strict=True)
            return _all([_comparison(node, *pair) for pair in pairs])
        case ast.Name():
            return _comparison(node, node, ast.Eq(), ast.Constant(True))
    raise ConditionError(
        f"where: {ast.unparse(node)[:_SHOWN]!r} is not allowed; a condition has names of columns, constants, "
        "comparisons, in, and, or, not"
    )


def _all(tests: Sequence[_Test]) -> _Test:
    def test(row: _Row) -> bool | None:
        answers = [one(row) for one in tests]
        return False if False in answers else None if None in answers else True

    return test


def _any(tests: Sequence[_Test]) -> _Test:
    return _not(_all([_not(test) for test in tests]))


def _not(test: _Test) -> _Test:
    def negated(row: _Row) -> bool | None:
        answer = test(row)
        return None if answer is None else not answer

    return negated


def _comparison(whole: ast.expr, left: ast.expr, op: ast.cmpop, right: ast.expr) -> _Test:
    first, second = _operand(left), _operand(right)
    compare, has_order = _COMPARISONS[type(op)], isinstance(op, _ORDERS)

    def test(row: _Row) -> bool | None:
        a, b = first(row), second(row)
        if a is UNKNOWN or b is UNKNOWN:
            return None
        if has_order and (a is None or b is None):
            return False
        try:
            return bool(compare(a, b))
        except TypeError as error:
            raise ConditionError(f"where: {ast.unparse(whole)[:_SHOWN]} cannot be told: {error}") from None

    return test


def _operand(node: ast.expr) -> Callable[[_Row], Any]:
    if isinstance(node, ast.Name):
        return operator.itemgetter(node.id)
    try:
        constant = ast.literal_eval(node)
    except (ValueError, TypeError):
        raise ConditionError(
            f"where: {ast.unparse(node)[:_SHOWN]!r} is not allowed; compare names of columns and constants (and put "
            "parentheses around what & and | join)"
        ) from None
    return lambda row: constant
