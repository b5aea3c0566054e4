"""The data flow inside one function: fetches, writes to slots, reads, returns and age tests, in order.

The flow is followed through local variables in line order; both branches of an ``if`` are walked one after the other. A
traced value has the kinds of data it was fetched as, the slots it was read from, and whether it is a time or an age.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any, Final

from calib.policy.checker.expressions import Expressions
from calib.policy.checker.kinds import NONE
from calib.policy.checker.traced import NOTHING, Flow, Guard, KeptSlot, Scope, Traced
from calib.policy.checker.verbs import text_of


def follow(function: ast.FunctionDef | ast.AsyncFunctionDef, outer: set[str], scope: Scope) -> Flow:
    """Return the flow of one function; nested functions are excluded and have their own.

    Parameters
    ----------
    outer
        Names that it declares as ``global`` or ``nonlocal``.
    scope
        The names visible in it.
    """
    walker = _Walker(scope)
    walker.outer = outer
    given = function.args
    walker.local = {each.arg for each in (*given.args, *given.posonlyargs, *given.kwonlyargs)} - {"self", "cls"}
    walker.arguments = set(walker.local)
    walker.block(function.body)
    return walker.flow


class _Walker(Expressions):
    """Walks the statements of one function and records the events."""

    # -- statements ---------------------------------------------------------------------------------------------------

    def block(self, statements: Iterable[ast.stmt]) -> None:
        for statement in statements:
            self.statement(statement)

    def part(self, node: ast.AST, name: str, statements: Iterable[ast.stmt]) -> None:
        outer = self.trail
        self.trail = (*outer, (id(node), name))
        self.block(statements)
        self.trail = outer

    def statement(self, node: ast.stmt) -> None:
        handler = _STATEMENTS.get(type(node))
        if handler is not None:
            handler(self, node)
            return
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.value(child)

    def nothing_done(self, node: ast.stmt) -> None:
        """Skip a nested function or class: it has its own flow."""

    def assigned(self, node: ast.Assign) -> None:
        self.assign(node.targets, node.value)

    def annotated(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.assign([node.target], node.value)

    def changed(self, node: ast.AugAssign) -> None:
        muted, self.muted = self.muted, True
        before = self.value(node.target)
        self.muted = muted
        self.bind(node.target, Traced(NONE, (self.value(node.value) | before).slots), node)

    def returned(self, node: ast.Return) -> None:
        given = self.value(node.value)
        if node.value is not None and (self.is_age_test(node.value) or self.tests_age_of_argument(node.value)):
            self.flow.returns_age_test = True
        self.note("return", node, given)

    def repeated(self, node: ast.For | ast.AsyncFor) -> None:
        self.bind(node.target, self.value(node.iter), node)
        self.part(node, "loop", node.body)
        self.block(node.orelse)

    def while_true(self, node: ast.While) -> None:
        self.value(node.test)
        self.part(node, "loop", node.body)
        self.block(node.orelse)

    def within(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            given = self.value(item.context_expr)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, given, node)
        self.block(node.body)

    def matched(self, node: ast.Match) -> None:
        self.value(node.subject)
        for case in node.cases:
            self.part(case, "case", case.body)

    def branch(self, node: ast.If) -> None:
        asked = self.value(node.test)
        guard = Guard(node, len(self.flow.events), self.is_age_test(node.test), asked.slots, trail=self.trail)
        self.flow.guards.append(guard)
        self.part(node, "body", node.body)
        self.part(node, "orelse", node.orelse)
        guard.end = len(self.flow.events)

    def attempt(self, node: ast.Try | ast.TryStar) -> None:
        self.part(node, "try", node.body)
        for handler in node.handlers:
            self.part(node, "except", handler.body)
        self.part(node, "else", node.orelse)
        self.block(node.finalbody)

    def assign(self, targets: Iterable[ast.expr], source: ast.expr) -> None:
        given = self.value(source)
        for target in targets:
            if isinstance(target, ast.Name) and (text := text_of(source, self.texts)):
                self.texts[target.id] = text
            self.bind(target, given, source)

    def bind(self, target: ast.expr, given: Traced, source: ast.AST) -> None:
        match target:
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                for element in elements:
                    self.bind(element, given, source)
            case ast.Starred(value=inner):
                self.bind(inner, given, source)
            case ast.Name(id=name) if name not in self.outer:
                self.local.add(name)
                branched = bool(self.trail) and name in self.names
                self.names[name] = (self.names[name] | given) if branched else given
            case ast.Name(id=name):
                self.note("write", target, given, KeptSlot(name), source=source)
            case ast.Attribute() | ast.Subscript():
                if isinstance(target, ast.Subscript):
                    self.value(target.slice)
                if (slot := self.slot(target)) is not None:
                    self.note("write", target, given, slot, source=source)
                else:
                    root = _root(target)
                    if root is not None and root.id in self.local:
                        self.names[root.id] = self.names.get(root.id, NOTHING) | given


_STATEMENTS: Final[dict[type[ast.stmt], Callable[[_Walker, Any], None]]] = {
    ast.Assign: _Walker.assigned,
    ast.AnnAssign: _Walker.annotated,
    ast.AugAssign: _Walker.changed,
    ast.Return: _Walker.returned,
    ast.If: _Walker.branch,
    ast.For: _Walker.repeated,
    ast.AsyncFor: _Walker.repeated,
    ast.While: _Walker.while_true,
    ast.With: _Walker.within,
    ast.AsyncWith: _Walker.within,
    ast.Try: _Walker.attempt,
    ast.TryStar: _Walker.attempt,
    ast.Match: _Walker.matched,
    ast.FunctionDef: _Walker.nothing_done,
    ast.AsyncFunctionDef: _Walker.nothing_done,
    ast.ClassDef: _Walker.nothing_done,
}


def _root(node: ast.expr) -> ast.Name | None:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node if isinstance(node, ast.Name) else None
