"""The expressions of a template: compiled once, checked against the facts before any card is composed. Pure.

The language is the expression part of Jinja without calls: names, parts (`store.name`), choices (`a if b else c`),
arithmetic, `~`, and a closed list of filters. Evaluating is bounded: there are no loops and no powers, and no value
grows beyond `LONGEST_TEXT` characters or 64 bits. What is unknown (None) behaves as empty everywhere: it joins as an
empty text, is false, and a field whose value comes out empty is not shown.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from jinja2 import ChainableUndefined, TemplateError, nodes
from jinja2.parser import Parser
from jinja2.sandbox import SandboxedEnvironment
from pydantic import BaseModel

from wallet_service.cards.facts import Facts

Kind = Any
"""What a part of an expression may be: a class, `tuple[X, ...]`, `dict[str, X]`, or `Any` (not known before)."""
Kinds = frozenset[Kind]

WORDS = "words"
LONGEST_TEXT = 10_000
LONGEST_EXPRESSION = 2000
_ANY: Kinds = frozenset({Any})
_TEXT: Kinds = frozenset({str})
_WHOLE: Kinds = frozenset({int})
_TRUTH: Kinds = frozenset({bool})

# None: the filter gives back what it was given.
FILTERS: Mapping[str, Kinds | None] = {
    "default": None, "d": None, "sort": None, "list": None, "unique": None, "abs": None, "replace": None,
    "first": _ANY, "last": _ANY, "min": _ANY, "max": _ANY, "sum": _ANY, "map": _ANY,
    "length": _WHOLE, "count": _WHOLE, "int": _WHOLE,
    "upper": _TEXT, "lower": _TEXT, "title": _TEXT, "capitalize": _TEXT, "trim": _TEXT, "join": _TEXT,
    "truncate": _TEXT, "clock": _TEXT,
}  # fmt: skip
_TESTS = frozenset({"defined", "undefined"})
_PARTS_OF_DATES = {date: ("year", "month", "day"), datetime: ("year", "month", "day", "hour", "minute")}


class ExpressionError(ValueError):
    """The expression does not compile, or names something that no card can have; the message says what, in words."""


class _Environment(SandboxedEnvironment):
    """Jinja without I/O, in which a fact that is None counts as undefined, and every value stays small."""

    intercepted_binops = frozenset(SandboxedEnvironment.default_binop_table)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        # before it is worked out: what is too large must never be made
        if operator == "**" or not (_are_numbers(left, right) or (operator == "+" and _are_alike(left, right))):
            raise TypeError(f"{operator} cannot join these")
        return _bounded(super().call_binop(context, operator, left, right))

    def getattr(self, obj: Any, attribute: str) -> Any:
        value = super().getattr(obj, attribute)
        return self.undefined(obj=obj, name=attribute) if value is None else value

    def getitem(self, obj: Any, argument: Any) -> Any:
        value = super().getitem(obj, argument)
        return self.undefined(obj=obj, name=argument) if value is None else value


def _are_numbers(*values: Any) -> bool:
    return all(isinstance(value, int | float) for value in values)


def _are_alike(left: Any, right: Any) -> bool:
    return isinstance(left, str | list | tuple) and type(left) is type(right)


def _bounded(value: Any) -> Any:
    if isinstance(value, int | float) and not -(2**63) <= value < 2**63:
        raise OverflowError("the number is too large")
    if isinstance(value, str | list | tuple) and len(value) > LONGEST_TEXT:
        raise OverflowError(f"the text is longer than {LONGEST_TEXT} characters")
    return value


def _replaced(text: Any, old: Any, new: Any, count: int | None = None) -> str:
    text, old, new = str(text), str(old), str(new)  # what is undefined is empty
    found = text.count(old) if count is None else min(text.count(old), max(int(count), 0))
    if len(text) + found * (len(new) - len(old)) > LONGEST_TEXT:
        raise OverflowError(f"the text is longer than {LONGEST_TEXT} characters")
    return str(text.replace(old, new, found))


def _joined(values: Any, separator: Any = "", attribute: str | None = None) -> str:
    parts = [str(_ENVIRONMENT.getattr(value, attribute) if attribute is not None else value) for value in values]
    if sum(map(len, parts)) + len(parts) * len(str(separator)) > LONGEST_TEXT:
        raise OverflowError(f"the text is longer than {LONGEST_TEXT} characters")
    return str(separator).join(parts)


_ENVIRONMENT = _Environment(undefined=ChainableUndefined)
_ENVIRONMENT.globals.clear()
_ENVIRONMENT.filters |= {"replace": _replaced, "join": _joined}


def _clock(at: Any) -> str:
    """`19:00` of an instant; empty where it is unknown."""
    return f"{at:%H:%M}" if isinstance(at, datetime) else ""


_ENVIRONMENT.filters["clock"] = _clock


@dataclass(frozen=True)
class CompiledExpression:
    """One expression, ready to be asked for each card.

    Attributes:
        kinds: what the value can be, as far as it is known before; holds `Any` where it is not.
        words: the keys of `words/<locale>.toml` that it shows.
    """

    source: str
    kinds: Kinds
    words: frozenset[str]
    _evaluate: Callable[[Mapping[str, Any]], Any]

    def __call__(self, roots: Mapping[str, Any]) -> Any:
        """The value, None where it is unknown.

        Raises:
            ExpressionError: the facts do not fit, e.g. a sum with an unknown number.
        """
        try:
            return self._evaluate(roots)
        except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
            raise ExpressionError(f"{self.source!r} cannot be worked out: {error}") from error


def compiled(source: str) -> CompiledExpression:
    """Compile and check one expression.

    Raises:
        ExpressionError: in words, with the name that was probably meant.
    """
    if not source.strip():
        raise ExpressionError("is empty; write an expression, e.g. member.first_name")
    if len(source) > LONGEST_EXPRESSION:
        raise ExpressionError(f"has {len(source)} characters; {LONGEST_EXPRESSION} is the most")
    try:
        parser = Parser(_ENVIRONMENT, source, state="variable")
        tree = parser.parse_expression()
        if not parser.stream.eos:
            raise ExpressionError(f"{source!r} goes on after its end")
        tree.set_environment(_ENVIRONMENT)
        words: set[str] = set()
        kinds = _kinds_of(tree, words)
        evaluate = _ENVIRONMENT.compile_expression(source)
    except TemplateError as error:
        raise ExpressionError(f"{source!r} is not an expression: {error.message}") from error
    except (RecursionError, MemoryError, SyntaxError) as error:
        raise ExpressionError(f"{source[:40]!r} … is nested too deep") from error
    except ValueError as error:
        if isinstance(error, ExpressionError):
            raise
        raise ExpressionError(f"{source[:40]!r} … is not an expression: {error}") from error
    made = CompiledExpression(source, kinds, frozenset(words), evaluate)
    if next(tree.find_all(nodes.Name), None) is None and not isinstance(tree, nodes.Name):
        made({})  # it is the same for every card: what cannot be worked out is said now
    return made


def roots_of(facts: Facts, words: Mapping[str, str]) -> dict[str, Any]:
    """What the names of an expression mean for one card."""
    roots = {name: value for name in Facts.model_fields if (value := getattr(facts, name)) is not None}
    return {**roots, WORDS: words}


def _origin(kind: Kind) -> Any:
    return typing.get_origin(kind)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`, did you mean label?`, or nothing where no name is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {near[0]}?" if near else ""


def kinds_in(annotation: Any) -> Kinds:
    """The alternatives of a type annotation, without None."""
    if typing.get_origin(annotation) is typing.Annotated:
        return kinds_in(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return frozenset().union(*(kinds_in(part) for part in typing.get_args(annotation)))
    return frozenset() if annotation in (None, type(None)) else frozenset({annotation})


def _kinds_of(node: nodes.Expr, words: set[str]) -> Kinds:
    match node:
        case nodes.Const():
            return frozenset() if node.value is None else frozenset({type(node.value)})
        case nodes.Name():
            return _root(node.name)
        case nodes.Getattr():
            return _part_of(node.node, node.attr, words, dotted=True)
        case nodes.Getitem(arg=nodes.Const(value=key)):
            return _part_of(node.node, key, words, dotted=False)
        case nodes.CondExpr():
            _kinds_of(node.test, words)
            return _kinds_of(node.expr1, words) | (_kinds_of(node.expr2, words) if node.expr2 else frozenset())
        case nodes.Filter():
            return _filtered(node, words)
        case nodes.And():  # a left side that is false shows nothing, so only the right one counts
            _kinds_of(node.left, words)
            return _kinds_of(node.right, words)
        case nodes.Or():
            return _kinds_of(node.left, words) | _kinds_of(node.right, words)
        case nodes.Concat():
            _visit(node.nodes, words)
            return _TEXT
        case nodes.Not():
            _kinds_of(node.node, words)
            return _TRUTH
        case nodes.Test(name=name):
            _visit([node.node, *(node.args or [])], words)
            if name not in _TESTS:
                raise ExpressionError(f"the test 'is {name}' is not known; there are {', '.join(sorted(_TESTS))}")
            return _TRUTH
        case nodes.Compare():
            _visit([node.expr, *(operand.expr for operand in node.ops)], words)
            return _TRUTH
        case nodes.List() | nodes.Tuple():
            _visit(node.items, words)
            return _ANY
        case nodes.Neg() | nodes.Pos():
            return _kinds_of(node.node, words)
        case nodes.BinExpr():
            both = _kinds_of(node.left, words) | _kinds_of(node.right, words)
            if node.operator == "**":
                raise ExpressionError("there are no powers here")
            if node.operator != "+" and str in both:
                raise ExpressionError(f"{node.operator} takes numbers; texts are joined with ~")
            return _WHOLE if both == _WHOLE and node.operator in ("+", "-", "*", "//", "%") else _ANY
        case nodes.Call():
            raise ExpressionError("functions cannot be called here; use a filter, e.g. member.first_name | upper")
        case _:
            raise ExpressionError(f"{type(node).__name__} is not part of the expressions of a template")


def _visit(parts: Iterable[nodes.Expr], words: set[str]) -> None:
    for part in parts:
        _kinds_of(part, words)


def _root(name: str) -> Kinds:
    if name == WORDS:
        return frozenset({WORDS})
    root = Facts.model_fields.get(name)
    if root is None:
        known = [*Facts.model_fields, WORDS]
        raise ExpressionError(
            f"{name} is not known{did_you_mean(name, known) or '; there are ' + ', '.join(sorted(known))}"
        )
    return kinds_in(root.annotation)


def _part_of(owner: nodes.Expr, key: Any, words: set[str], *, dotted: bool) -> Kinds:
    owners = _kinds_of(owner, words)
    return frozenset().union(*(_part_of_kind(kind, key, words, dotted=dotted) for kind in owners))


def _part_of_kind(kind: Kind, key: Any, words: set[str], *, dotted: bool) -> Kinds:
    if kind is Any:
        return _ANY
    if kind == WORDS:
        words.add(str(key))
        return _TEXT
    origin = _origin(kind)
    if origin is dict and isinstance(key, str):
        if dotted and hasattr(dict, key):
            raise ExpressionError(f"write ['{key}'] instead of .{key}, which has another meaning here")
        return kinds_in(typing.get_args(kind)[1])
    if origin is tuple and isinstance(key, int):
        return kinds_in(typing.get_args(kind)[0])
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _part_of_model(kind, str(key))
    if kind in _PARTS_OF_DATES and key in _PARTS_OF_DATES[kind]:
        return _WHOLE
    raise ExpressionError(f"{in_words(kind)} has no part {key!r}")


def _part_of_model(model: type[BaseModel], name: str) -> Kinds:
    part = model.model_fields.get(name)
    if part is None:
        known = sorted(model.model_fields)
        raise ExpressionError(
            f"{in_words(model)} has no {name}{did_you_mean(name, known) or '; it has ' + ', '.join(known)}"
        )
    return kinds_in(part.annotation)


def _filtered(node: nodes.Filter, words: set[str]) -> Kinds:
    if node.node is None or node.name not in FILTERS:
        raise ExpressionError(f"the filter {node.name} is not known{did_you_mean(node.name, FILTERS)}")
    given = _kinds_of(node.node, words)
    _visit(node.args, words)
    _visit((pair.value for pair in node.kwargs), words)
    elements = frozenset[Kind]().union(
        *(kinds_in(typing.get_args(kind)[0]) if _origin(kind) is tuple else _ANY for kind in given)
    )
    if node.name in ("first", "last"):
        return elements
    if node.name == "map":
        for pair in node.kwargs:
            if pair.key == "attribute" and isinstance(pair.value, nodes.Const):
                for element in elements:
                    _part_of_kind(element, pair.value.value, words, dotted=True)
    if node.name in ("default", "d"):
        return given | frozenset[Kind]().union(*(_kinds_of(argument, words) for argument in node.args[:1]))
    kinds = FILTERS[node.name]
    return given if kinds is None else kinds


def in_words(kind: Kind) -> str:
    """`a text`, `a number`, `voucher` … for messages."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind.__name__.removesuffix("Facts").lower()
    names: Mapping[Kind, str] = {str: "a text", int: "a number", bool: "a yes or no", date: "a date"}
    return names.get(kind, "a list" if _origin(kind) is tuple else str(kind))
