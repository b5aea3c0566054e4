"""Detector of fetched data that is used after a sleep or wait."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final, NamedTuple

from calib.policy.checker.detect import keeping
from calib.policy.checker.kinds import NONE, DataKind, is_fixed
from calib.policy.checker.module import Function, Module
from calib.policy.checker.verbs import fetch_kinds, terminal
from calib.policy.checker.words import split, word_set

_ORDER_VERBS: Final = word_set("create place submit send buy sell open market limit enter execute new long short")
_ORDERS: Final = word_set("order orders buy sell market limit position trade")
_WAITS: Final = frozenset(["sleep", "wait", "recv", "join", "wait_for", "countdown"])
_SHORT_S: Final = 1.0
"""Shorter pauses are taken as rate limiting, s."""
_ID_KEYS: Final = frozenset(["id", "order_id", "orderId", "symbol", "side", "clientOrderId", "ticket"])


class Waited(NamedTuple):
    """A local variable that is assigned before a wait and used after it."""

    function: Function
    use: ast.Name
    wait: ast.Call
    kinds: frozenset[DataKind]


def waited(module: Module, wanted: frozenset[DataKind]) -> Iterator[Waited]:
    """Yield the first such use of each variable, function by function."""
    for function in module.functions:
        if not any(isinstance(node, ast.Call) and _may_wait(terminal(node.func)) for node in function.nodes):
            continue
        walker = _Walker(module, function, wanted)
        walker.block(function.node.body)
        yield from walker.found


class _Walker:
    """Tracks local variables through one function; a wait makes their data old."""

    def __init__(self, module: Module, function: Function, wanted: frozenset[DataKind]) -> None:
        self.module = module
        self.function = function
        self.wanted = wanted
        self.fresh: dict[str, frozenset[DataKind]] = {}
        self.old: dict[str, tuple[frozenset[DataKind], ast.Call]] = {}
        self.found: list[Waited] = []
        self.reported: set[str] = set()

    def block(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            self.statement(statement)

    def statement(self, node: ast.stmt) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return
            case ast.Assign(targets=targets, value=value):
                self.uses(node)
                self.waits(value)
                for target in targets:
                    self.assign(target, value)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self.uses(node)
                self.waits(value)
                self.assign(target, value)
            case ast.If(test=test, body=body, orelse=orelse):
                self.tested(test)
                self.arms([body, orelse])
            case (
                ast.For(body=body, orelse=orelse, target=target) | ast.AsyncFor(body=body, orelse=orelse, target=target)
            ):
                self.drop(target)
                self.block(body)
                self.block(orelse)
            case ast.While(test=test, body=body, orelse=orelse):
                self.tested(test)
                self.loop(body)
                self.block(orelse)
            case ast.With(body=body) | ast.AsyncWith(body=body):
                self.block(body)
            case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=final):
                self.arms([body, *[handler.body for handler in handlers]])
                self.block(orelse)
                self.block(final)
            case _:
                self.uses(node)
                self.waits(node)

    def arms(self, bodies: list[list[ast.stmt]]) -> None:
        """Walk alternative branches: a wait in a branch that returns does not affect the code after it."""
        before = dict(self.fresh), dict(self.old)
        after: list[tuple[dict[str, frozenset[DataKind]], dict[str, tuple[frozenset[DataKind], ast.Call]]]] = []
        for body in bodies:
            self.fresh, self.old = dict(before[0]), dict(before[1])
            self.block(body)
            if not body or not isinstance(body[-1], ast.Return | ast.Raise | ast.Continue | ast.Break):
                after.append((self.fresh, self.old))
        if not after:
            self.fresh, self.old = before
            return
        self.fresh = {name: kinds for each, _ in after for name, kinds in each.items()}
        renewed = {name for fresh, old in after for name in fresh if name not in old}
        self.old = {name: kinds for _, each in after for name, kinds in each.items() if name not in renewed}

    def loop(self, body: list[ast.stmt]) -> None:
        """Walk a loop: if it waits, data fetched before it is old in the next iteration unless fetched again."""
        before = dict(self.fresh)
        self.block(body)
        renewed = {
            target.id
            for node in ast.walk(ast.Module(body=body, type_ignores=[]))
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        wait = self.first_wait(body)
        if wait is not None:
            kept = {name: kinds for name, kinds in before.items() if name not in renewed}
            old, self.old = self.old, {**self.old, **{name: (kinds, wait) for name, kinds in kept.items()}}
            fresh = self.fresh
            self.block(body)
            self.fresh, self.old = fresh, old | {name: (kinds, wait) for name, kinds in kept.items()}

    def first_wait(self, body: list[ast.stmt]) -> ast.Call | None:
        for statement in body:
            for node in ast.walk(statement):
                if isinstance(node, ast.Call) and self.is_wait(node):
                    return node
        return None

    def assign(self, target: ast.expr, value: ast.expr) -> None:
        self.drop(target)
        if not isinstance(target, ast.Name) or is_fixed(split(target.id)):
            return
        kinds = NONE
        for node in ast.walk(value):
            if isinstance(node, ast.Call):
                found = fetch_kinds(node, self.module.texts, self.module.level)
                kinds |= found
            elif isinstance(node, ast.Name) and node.id in self.fresh and not _by_id(value):
                kinds |= self.fresh[node.id]
        if kinds & self.wanted:
            self.fresh[target.id] = kinds & self.wanted

    def drop(self, target: ast.expr) -> None:
        for node in ast.walk(target):
            if isinstance(node, ast.Name):
                self.fresh.pop(node.id, None)
                self.old.pop(node.id, None)

    def is_wait(self, node: ast.Call) -> bool:
        name = terminal(node.func)
        if not _may_wait(name):
            return False
        if name == "join" and not isinstance(node.func, ast.Attribute):
            return False
        if name == "join" and node.args:
            return False
        pause = self.module.number(node.args[0]) if node.args else None
        return pause is None or pause >= _SHORT_S

    def waits(self, node: ast.AST) -> None:
        for each in ast.walk(node):
            if isinstance(each, ast.Call) and self.is_wait(each):
                for name, kinds in self.fresh.items():
                    self.old.setdefault(name, (kinds, each))
                self.fresh = {}
                return

    def tested(self, test: ast.expr) -> None:
        """Walk a test; old data counts as used if it is compared by order."""
        for node in ast.walk(test):
            if isinstance(node, ast.Compare) and any(
                isinstance(op, ast.Lt | ast.Gt | ast.LtE | ast.GtE) for op in node.ops
            ):
                self.look(node)
        self.waits(test)

    def uses(self, statement: ast.stmt) -> None:
        for node in ast.walk(statement):
            if isinstance(node, ast.Call) and self.orders(node):
                for argument in [*node.args, *(each.value for each in node.keywords)]:
                    self.look(argument)
            elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div) and not _is_shown(statement):
                self.look(node)
        if isinstance(statement, ast.Return) and statement.value is not None:
            self.look(statement.value)

    def orders(self, node: ast.Call) -> bool:
        words = split(terminal(node.func))
        if len(words) == 1:
            return words[0] in ("buy", "sell", "enter", "long", "short")
        return words[:1] != () and words[0] in _ORDER_VERBS and not _ORDERS.isdisjoint(words[1:])

    def look(self, node: ast.AST) -> None:
        for each in ast.walk(node):
            if not isinstance(each, ast.Name) or each.id not in self.old or each.id in self.reported:
                continue
            if _only_id(node, each) or keeping.is_simulated(self.function):
                continue
            kinds, wait = self.old[each.id]
            self.reported.add(each.id)
            self.found.append(Waited(self.function, each, wait, kinds))


def _may_wait(name: str) -> bool:
    return name in _WAITS or "sleep" in split(name)


def _is_shown(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Call(func=function)):
            words = set(split(terminal(function)))
            return bool(
                words & {"print", "info", "debug", "warning", "error", "log", "send", "message", "notify", "write"}
            )
        case _:
            return False


def _only_id(within: ast.AST, name: ast.Name) -> bool:
    """Return whether only an id of the variable is used: ``order["id"]``, ``position.symbol``."""
    for node in ast.walk(within):
        match node:
            case ast.Subscript(value=ast.Name() as inner, slice=ast.Constant(value=str(key))) if inner is name:
                return key in _ID_KEYS
            case ast.Attribute(value=ast.Name() as inner, attr=key) if inner is name:
                return key in _ID_KEYS
            case ast.Call(
                func=ast.Attribute(value=ast.Name() as inner, attr="get"), args=[ast.Constant(value=str(key)), *_]
            ) if inner is name:
                return key in _ID_KEYS
    return False


def _by_id(value: ast.expr) -> bool:
    match value:
        case ast.Subscript(slice=ast.Constant(value=str(key))):
            return key in _ID_KEYS
        case ast.Attribute(attr=key):
            return key in _ID_KEYS
        case _:
            return False
