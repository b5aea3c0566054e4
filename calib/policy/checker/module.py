"""The model of one Python file for the rules: classes and functions with their flows, constants and imports."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar, cast

from calib.policy.checker.flow import follow
from calib.policy.checker.kinds import NONE, DataKind
from calib.policy.checker.traced import Flow, Scope
from calib.policy.checker.verbs import text_of

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
_PASSES: Final = 3
"""Maximum number of passes that propagate fetched values through functions that call each other."""


@dataclass(slots=True)
class Function:
    """One function with its flow."""

    name: str
    node: FunctionNode
    owner: str
    """The name of its class, or empty."""
    flow: Flow = field(default_factory=Flow)
    nodes: list[ast.AST] = field(default_factory=list)
    """Its syntax nodes in source order, without nested functions and classes."""
    named: set[str] = field(default_factory=set)
    """Every name and attribute in it."""
    outer: set[str] = field(default_factory=set)
    """Names that it declares as ``global`` or ``nonlocal``."""

    @property
    def arguments(self) -> list[str]:
        """The names of its arguments."""
        given = self.node.args
        return [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]


@dataclass(slots=True)
class FunctionGroup:
    """Functions that share slots: the methods of a class, or the functions of the module."""

    name: str
    """The name of the class, or empty for the module."""
    node: ast.ClassDef | ast.Module
    functions: list[Function]

    def named(self, name: str) -> list[Function]:
        """Return its functions with that name."""
        return [function for function in self.functions if function.name == name]


class Module:
    """One parsed file.

    Parameters
    ----------
    tree
        The syntax tree.
    level
        The result of `calib.policy.checker.kinds.trading_level` for the file.
    """

    def __init__(self, tree: ast.Module, level: int) -> None:
        self.tree = tree
        self.level = level
        self.texts: dict[str, str] = {}
        self.numbers: dict[str, float] = {}
        self.aliases: dict[str, str] = {}
        self.shared: set[str] = set()
        self.groups: list[FunctionGroup] = []
        self.nodes: list[ast.AST] = []
        self.kept: dict[tuple[object, ...], list[Any]] = {}
        """Results of the detectors, by detector and arguments; several rules use the same detector."""
        self._gather(tree)
        self._follow()

    # -- gathering ----------------------------------------------------------------------------------------------------

    def _gather(self, tree: ast.Module) -> None:
        module = FunctionGroup("", tree, [])
        self.groups.append(module)
        for node in tree.body:
            self._constants(node, "")
        self._visit(tree, module, None)
        for found in self.nodes:
            if isinstance(found, ast.Import | ast.ImportFrom):
                self._imports(found)

    def _imports(self, node: ast.Import | ast.ImportFrom) -> None:
        origin = f"{node.module}." if isinstance(node, ast.ImportFrom) and node.module else ""
        for name in node.names:
            if name.asname:
                self.aliases[name.asname] = f"{origin}{name.name}"

    def _constants(self, node: ast.stmt, owner: str) -> None:
        """Record the texts, numbers and variables that are defined directly in the module or a class."""
        match node:
            case ast.Assign(targets=targets, value=value):
                pass
            case ast.AnnAssign(target=target, value=value):
                targets = [target]
            case _:
                return
        for each in targets:
            if not isinstance(each, ast.Name):
                continue
            if not owner:
                self.shared.add(each.id)
            self._constant(f"self.{each.id}" if owner else each.id, value)
            if owner:
                self._constant(f"{owner}.{each.id}", value)

    def _constant(self, name: str, value: ast.expr | None) -> None:
        if text := text_of(value, self.texts):
            self.texts[name] = text
        if (number := self.number(value)) is not None:
            self.numbers[name] = number

    def _visit(self, node: ast.AST, group: FunctionGroup, function: Function | None) -> None:
        """Record every node below this one with its function and class."""
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, ast.AST):
                self._enter(value, group, function)
            elif isinstance(value, list):
                for each in value:
                    if isinstance(each, ast.AST):
                        self._enter(each, group, function)

    def _enter(self, node: ast.AST, group: FunctionGroup, function: Function | None) -> None:
        kind = type(node)
        if kind is ast.Load or kind is ast.Store:
            return
        self.nodes.append(node)
        if isinstance(node, FunctionNode):
            inner = Function(node.name, node, group.name)
            group.functions.append(inner)
            self._attributes(node)
            self._visit(node, group, inner)
        elif isinstance(node, ast.ClassDef):
            own = FunctionGroup(node.name, node, [])
            self.groups.append(own)
            for each in node.body:
                self._constants(each, node.name)
            self._visit(node, own, None)
        else:
            if function is not None:
                function.nodes.append(node)
                if isinstance(node, ast.Attribute):
                    function.named.add(node.attr)
                elif isinstance(node, ast.Name):
                    function.named.add(node.id)
                if kind is ast.Global or kind is ast.Nonlocal:
                    function.outer.update(getattr(node, "names", ()))
            self._visit(node, group, function)

    def _attributes(self, node: FunctionNode) -> None:
        """Record numbers and texts that a constructor assigns to attributes, directly or by argument defaults."""
        if node.name != "__init__":
            return
        given = node.args
        defaults = dict(zip([each.arg for each in given.args][::-1], given.defaults[::-1], strict=False))
        defaults |= {
            each.arg: default for each, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default
        }
        for each in node.body:
            match each:
                case (
                    ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)], value=value)
                    | ast.AnnAssign(
                        target=ast.Attribute(value=ast.Name(id="self"), attr=name), value=ast.expr() as value
                    )
                ):
                    known = defaults.get(value.id, value) if isinstance(value, ast.Name) else value
                    self._constant(f"self.{name}", known)

    # -- following ----------------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        free = {function.name for function in self.groups[0].functions}
        yields: dict[str, dict[str, frozenset[DataKind]]] = {group.name: {} for group in self.groups}
        age_tests: dict[str, set[str]] = {group.name: set() for group in self.groups}
        changed: set[str] | None = None
        for _ in range(_PASSES):
            last, changed = changed, set()
            for group in self.groups:
                own = frozenset(free | {function.name for function in group.functions})
                scope = Scope(
                    self.level,
                    self.texts,
                    frozenset(self.shared),
                    own,
                    yields[""] | yields[group.name],
                    frozenset(age_tests[""] | age_tests[group.name]),
                    group.name,
                )
                for function in group.functions:
                    if last is not None and last.isdisjoint(function.named):
                        continue  # the results of its callees have not changed in the last pass
                    function.flow = follow(function.node, function.outer, scope)
                    given = NONE.union(*(event.value.kinds for event in function.flow.of("return")))
                    if given - yields[group.name].get(function.name, NONE):
                        yields[group.name][function.name] = given | yields[group.name].get(function.name, NONE)
                        changed.add(function.name)
                    if function.flow.returns_age_test and function.name not in age_tests[group.name]:
                        age_tests[group.name].add(function.name)
                        changed.add(function.name)
            if not changed:
                break

    # -- reading ------------------------------------------------------------------------------------------------------

    @property
    def functions(self) -> Iterator[Function]:
        """Every function of the file."""
        for group in self.groups:
            yield from group.functions

    @cached_property
    def classes(self) -> list[FunctionGroup]:
        """Every class of the file."""
        return [group for group in self.groups if group.name]

    def number(self, node: ast.expr | None) -> float | None:
        """Return the constant value of an expression, a ``timedelta`` in seconds; None if it is unknown."""
        match node:
            case ast.Constant(value=bool()):
                return None
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.Name(id=name):
                return self.numbers.get(name)
            case ast.Attribute(value=ast.Name(id=owner), attr=name):
                return self.numbers.get(f"{owner}.{name}")
            case ast.BinOp(left=left, op=operator, right=right):
                return _calculated(self.number(left), operator, self.number(right))
            case ast.Call(
                func=ast.Name(id="timedelta") | ast.Attribute(attr="timedelta"), args=arguments, keywords=named
            ):
                return self._span(arguments, named)
            case ast.Call(func=ast.Name(id="int" | "float"), args=[inner]):
                return self.number(inner)
            case _:
                return None

    def _span(self, arguments: list[ast.expr], named: list[ast.keyword]) -> float | None:
        units = {"days": 86_400.0, "hours": 3600.0, "minutes": 60.0, "seconds": 1.0, "weeks": 604_800.0}
        units["milliseconds"] = 0.001
        total = 0.0
        for unit, node in [
            *zip(("days", "seconds"), arguments, strict=False),
            *((each.arg, each.value) for each in named),
        ]:
            number = self.number(node)
            if number is None or unit not in units:
                return None
            total += units[unit] * number
        return total

    def original(self, name: str) -> str:
        """Return the imported name of an alias, such as ``lru_cache`` for ``import lru_cache as memo``."""
        return self.aliases.get(name, name).rpartition(".")[2]


_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")


def once(
    detector: Callable[Concatenate[Module, _Arguments], Iterator[_Answer]],
) -> Callable[Concatenate[Module, _Arguments], list[_Answer]]:
    """Memoize a detector's results in the module, by arguments."""

    @wraps(detector)
    def answered(module: Module, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> list[_Answer]:
        key = (detector, *(id(each) if isinstance(each, FunctionGroup) else each for each in args))
        if key not in module.kept:
            module.kept[key] = list(detector(module, *args, **kwargs))
        return module.kept[key]

    return cast(Callable[Concatenate[Module, _Arguments], list[_Answer]], answered)


def _calculated(left: float | None, operator: ast.operator, right: float | None) -> float | None:
    if left is None or right is None:
        return None
    match operator:
        case ast.Mult():
            return left * right
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Div() if right:
            return left / right
        case _:
            return None
