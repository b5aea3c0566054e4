"""Data flow through expressions: values that are fetched, read from a slot, or tested for their age."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any, Final

from calib.policy.checker.kinds import NONE
from calib.policy.checker.traced import NOTHING, NOW, Flow, FlowEvent, KeptSlot, Scope, Traced, Trail
from calib.policy.checker.verbs import fetch_kinds, is_clock, terminal, text_of
from calib.policy.checker.words import CACHE_WORDS, split, word_set

_IDS: Final = word_set(
    "id order_id orderId ordId clientOrderId client_order_id orderid symbol ticket oid uuid timestamp ts updateTime"
)
_CONTAINERS: Final = word_set("get copy items values pop setdefault deepcopy result json popitem model_copy")
_WRITERS: Final = word_set("update append extend add setdefault insert __setitem__ put appendleft")


class Expressions:
    """Evaluates the expressions of one function symbolically and records their events."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.flow = Flow()
        self.names: dict[str, Traced] = {}
        self.texts = dict(scope.texts)
        self.trail: Trail = ()
        self.outer: set[str] = set()
        self.local: set[str] = set()
        self.arguments: set[str] = set()
        self.muted = False
        """Whether events are not recorded, because the expression was already evaluated once."""

    def note(
        self,
        what: str,
        node: ast.AST,
        value: Traced = NOTHING,
        slot: KeptSlot | None = None,
        name: str = "",
        source: ast.AST | None = None,
    ) -> None:
        if self.muted:
            return
        self.flow.events.append(
            FlowEvent(what, len(self.flow.events), node, self.trail, value, slot or KeptSlot(""), name, source)
        )

    def slot(self, node: ast.expr) -> KeptSlot | None:
        """Return the slot that an expression refers to, or None."""
        match node:
            case ast.Name(id=name):
                kept = name in self.outer or (name in self.scope.shared and name not in self.local)
                return KeptSlot(name) if kept else None
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                return None if name in self.scope.own else KeptSlot(f"self.{name}")
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if owner == self.scope.owner and owner:
                return None if name in self.scope.own else KeptSlot(f"self.{name}")
            case ast.Attribute(value=inner, attr=name):
                base = self.slot(inner)
                return KeptSlot(f"{base.path}.{name}") if base is not None and not base.key else base
            case ast.Subscript(value=inner, slice=key):
                base = self.slot(inner)
                return base if base is None or base.key else KeptSlot(base.path, text_of(key, self.texts))
            case ast.Await(value=inner):
                return self.slot(inner)
            case _:
                return None

    def value(self, node: ast.expr | None) -> Traced:
        """Return the traced value of an expression and record its events."""
        if node is None:
            return NOTHING
        handler = _HANDLERS.get(type(node))
        return self.parts(node) if handler is None else handler(self, node)

    def parts(self, node: ast.expr) -> Traced:
        found = NOTHING
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                found = found | self.value(child)
        return found

    def nothing(self, node: ast.expr) -> Traced:
        return NOTHING

    def name(self, node: ast.Name) -> Traced:
        if node.id in self.names:
            return self.names[node.id]
        return NOW if node.id == "now" else self.read(node, self.slot(node))

    def attribute(self, node: ast.Attribute) -> Traced:
        if node.attr in _IDS and not isinstance(node.value, ast.Name):
            return Traced(slots=self.value(node.value).slots)
        if (slot := self.slot(node)) is not None:
            return self.read(node, slot)
        given = self.value(node.value)
        if node.attr in _IDS:
            return Traced(NONE, given.slots, given.clock, given.aged)
        own = isinstance(node.value, ast.Name) and node.value.id == "self"
        return given | Traced(self.scope.yields.get(node.attr, NONE)) if own else given

    def subscript(self, node: ast.Subscript) -> Traced:
        self.value(node.slice)
        if (slot := self.slot(node)) is not None:
            return self.read(node, slot)
        given = self.value(node.value)
        return Traced(NONE, given.slots) if text_of(node.slice, {}) in _IDS else given

    def calculated(self, node: ast.BinOp) -> Traced:
        left, right = self.value(node.left), self.value(node.right)
        both = left | right
        if (left.clock and right.slots) or (right.clock and left.slots):
            return Traced(both.kinds, both.slots, aged=True)
        return both

    def compared(self, node: ast.Compare) -> Traced:
        seen = self.value(node.left)
        for other in node.comparators:
            seen = seen | self.value(other)
        return Traced(slots=seen.slots, aged=seen.aged or (seen.clock and bool(seen.slots)))

    def walrus(self, node: ast.NamedExpr) -> Traced:
        given = self.value(node.value)
        self.bind(node.target, given, node.value)
        return given

    def listed(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Traced:
        return self.comprehended(node.generators) | self.value(node.elt)

    def mapped(self, node: ast.DictComp) -> Traced:
        return self.comprehended(node.generators) | self.value(node.value)

    def bind(self, target: ast.expr, given: Traced, source: ast.AST) -> None:
        """Record that a value is assigned to a variable or a slot."""
        raise NotImplementedError

    def comprehended(self, generators: Iterable[ast.comprehension]) -> Traced:
        found = NOTHING
        for generator in generators:
            given = self.value(generator.iter)
            self.bind(generator.target, given, generator.iter)
            found = found | given
            for condition in generator.ifs:
                self.value(condition)
        return found

    def read(self, node: ast.expr, slot: KeptSlot | None) -> Traced:
        if slot is None:
            return NOTHING
        self.note("read", node, slot=slot)
        return Traced(slots=frozenset({slot}))

    def called(self, node: ast.Call) -> Traced:
        name = terminal(node.func)
        if is_clock(node):
            return NOW
        if name == "getattr" and len(node.args) >= 2 and (attribute := text_of(node.args[1], {})):
            made = ast.Attribute(value=node.args[0], attr=attribute, ctx=ast.Load())
            return self.value(ast.copy_location(made, node))
        given = NOTHING
        for argument in node.args:
            given = given | self.value(argument)
        for keyword in node.keywords:
            given = given | self.value(keyword.value)
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        if "sleep" in split(name) or name in ("wait", "wait_for_fill", "recv"):
            self.note("sleep", node, name=name)
        local = self.own_call(node, owner, name)
        if local is not None:
            return local
        found = fetch_kinds(node, self.texts, self.scope.level)
        if found and not self.kept_cache(owner):
            self.note("fetch", node, Traced(found), name=name)
            return Traced(found)
        if owner is None:
            return given
        if name in _WRITERS and (slot := self.slot(owner)) is not None:
            entry = text_of(node.args[0], self.texts) if name == "setdefault" and node.args else ""
            self.note("write", node, given, KeptSlot(slot.path, slot.key or entry), name=f".{name}")
        base = self.value(owner)
        if name in _CONTAINERS and (slot := self.slot(owner)) is not None:
            entry = text_of(node.args[0], self.texts) if node.args and name in ("get", "pop", "setdefault") else ""
            return given | Traced(slots=frozenset({KeptSlot(slot.path, slot.key or entry)}))
        return base | given

    def kept_cache(self, owner: ast.expr | None) -> bool:
        """Return whether a call goes to an object named as a cache, so that its result is not freshly fetched."""
        return owner is not None and not CACHE_WORDS.isdisjoint(split(terminal(owner)))

    def own_call(self, node: ast.Call, owner: ast.expr | None, name: str) -> Traced | None:
        """Return the value of a call of a function of the same class or module, or None for other calls."""
        mine = owner is None or (isinstance(owner, ast.Name) and owner.id in ("self", "cls", self.scope.owner))
        if not mine or name not in self.scope.own:
            return None
        self.note("call", node, name=name)
        found = self.scope.yields.get(name, NONE)
        return Traced(found, aged=False)

    def is_age_test(self, test: ast.expr) -> bool:
        """Return whether a test depends on the age of stored data; does not record events."""
        muted, self.muted = self.muted, True
        try:
            return self.asks_age(test)
        finally:
            self.muted = muted

    def tests_age_of_argument(self, given: ast.expr) -> bool:
        """Return whether an argument is compared with the time: ``return time.time() - fetched_at < self.ttl``."""
        for node in ast.walk(given):
            if not isinstance(node, ast.Compare):
                continue
            parts = list(ast.walk(node))
            now = any(
                (isinstance(part, ast.Call) and is_clock(part))
                or (isinstance(part, ast.Name) and self.names.get(part.id, NOTHING).clock)
                for part in parts
            )
            if now and any(isinstance(part, ast.Name) and part.id in self.arguments for part in parts):
                return True
        return False

    def asks_age(self, test: ast.expr) -> bool:
        if self.value(test).aged:
            return True
        for node in ast.walk(test):
            if isinstance(node, ast.Compare) and self.value(node).aged:
                return True
            if isinstance(node, ast.Name) and self.names.get(node.id, NOTHING).aged:
                return True
            if isinstance(node, ast.Call):
                name = terminal(node.func)
                words = set(split(name))
                if name in self.scope.age_tests or _names_age(words):
                    return True
            if (
                isinstance(node, ast.Attribute)
                and _names_age(set(split(node.attr)))
                and not isinstance(node.ctx, ast.Store)
            ):
                return True
        return False


_HANDLERS: Final[dict[type[ast.expr], Callable[[Expressions, Any], Traced]]] = {
    ast.Constant: Expressions.nothing,
    ast.Lambda: Expressions.nothing,
    ast.Name: Expressions.name,
    ast.Attribute: Expressions.attribute,
    ast.Subscript: Expressions.subscript,
    ast.Call: Expressions.called,
    ast.BinOp: Expressions.calculated,
    ast.Compare: Expressions.compared,
    ast.NamedExpr: Expressions.walrus,
    ast.ListComp: Expressions.listed,
    ast.SetComp: Expressions.listed,
    ast.GeneratorExp: Expressions.listed,
    ast.DictComp: Expressions.mapped,
}


def _names_age(words: set[str]) -> bool:
    """Return whether a name refers to freshness: ``is_expired``, ``_is_cache_valid``, ``should_refresh``."""
    if {"expired", "stale", "fresh"} & words:
        return True
    if "valid" in words and CACHE_WORDS & words:
        return True
    return bool(
        {"should", "needs", "need", "must"} & words and {"refresh", "update", "fetch", "sync", "reload"} & words
    )
