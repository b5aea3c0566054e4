"""Detector of old data that is returned after a failed fetch."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from calib.policy.checker.detect import keeping
from calib.policy.checker.kinds import NONE, DataKind, is_fixed
from calib.policy.checker.module import Function, Module, once
from calib.policy.checker.traced import FlowEvent, KeptSlot
from calib.policy.checker.verbs import getter_kinds
from calib.policy.checker.words import says_cache


class Fallback(NamedTuple):
    """A stored value that is returned because a fetch raised."""

    function: Function
    node: ast.AST
    kinds: frozenset[DataKind]


@once
def fallbacks(module: Module, wanted: frozenset[DataKind]) -> Iterator[Fallback]:
    """Yield returns of stored data in an ``except``, and after one that suppresses the error."""
    for function in module.functions:
        if keeping.is_simulated(function):
            continue
        seen: frozenset[DataKind] = NONE
        for event in function.flow.of("return"):
            if not event.value.slots:
                continue
            if (event.handled and not _looks_up(function, event)) or _after_swallowed(function, event):
                kinds = _kinds(module, function, event) & wanted
                if kinds - seen:
                    seen |= kinds
                    yield Fallback(function, event.node, kinds)
        for node, given in _assigned(module, function):
            if kinds := given & wanted - seen:
                seen |= kinds
                yield Fallback(function, node, kinds)


def _assigned(module: Module, function: Function) -> Iterator[tuple[ast.AST, frozenset[DataKind]]]:
    """Yield ``except ...: balance = self.last_balance`` if the ``try`` assigns the same name."""
    for node in function.nodes:
        if not isinstance(node, ast.Try):
            continue
        filled = {
            target.id
            for each in ast.walk(ast.Module(body=node.body, type_ignores=[]))
            if isinstance(each, ast.Assign)
            for target in each.targets
            if isinstance(target, ast.Name)
        }
        for handler in node.handlers:
            for each in handler.body:
                match each:
                    case ast.Assign(targets=[ast.Name(id=name)], value=ast.Attribute(attr=kept)) if name in filled:
                        slot = KeptSlot(f"self.{kept}")
                        if _may_hold(slot):
                            yield each, keeping.slot_kinds(slot, module.level)


def _kinds(module: Module, function: Function, event: FlowEvent) -> frozenset[DataKind]:
    slots = [slot for slot in event.value.slots if not is_fixed(slot.words)]
    named = NONE.union(*(keeping.slot_kinds(slot, module.level) for slot in slots))
    own = getter_kinds(function.name, module.level)
    asked = own.union(*(each.value.kinds for each in function.flow.events if each.what in ("fetch", "write")))
    if named:
        return named if asked else NONE  # the function fetches no such data, so no fetch can have failed
    return own if any(_may_hold(slot) for slot in slots) else NONE


def _may_hold(slot: KeptSlot) -> bool:
    return says_cache(slot.words) or bool({"last", "previous", "latest", "known"} & set(slot.words))


def _looks_up(function: Function, event: FlowEvent) -> bool:
    """Return whether the ``except`` handles a missing key and not a failed fetch."""
    missing = {"KeyError", "IndexError", "AttributeError", "StopIteration", "LookupError"}
    for node in function.nodes:
        if isinstance(node, ast.Try | ast.TryStar) and any(owner == id(node) for owner, _ in event.trail):
            for handler in node.handlers:
                inside = any(each is event.node for each in ast.walk(handler))
                names = (
                    {each.id for each in ast.walk(handler.type) if isinstance(each, ast.Name)}
                    if handler.type
                    else set()
                )
                if inside and names and names <= missing:
                    return True
    return False


def _after_swallowed(function: Function, event: FlowEvent) -> bool:
    """Return whether an event follows the pattern ``try: self.x = fetch()``, ``except: pass``, ``return self.x``."""
    paths = {slot.path for slot in event.value.slots}
    writes = [write for write in function.flow.of("write") if write.slot.path in paths and write.at < event.at]
    for write in writes:
        for owner, part in write.trail if write.value.kinds else ():
            within = any(owner == other for other, _ in event.trail)
            replaced = any((owner, "except") in other.trail for other in writes)
            if part == "try" and not within and not replaced and _swallows(function, owner):
                return True
    return False


def _swallows(function: Function, owner: int) -> bool:
    """Return whether an ``except`` of that ``try`` lets the function continue."""
    for node in function.nodes:
        if id(node) == owner and isinstance(node, ast.Try | ast.TryStar):
            leaving = ast.Raise | ast.Return | ast.Continue
            return any(not any(isinstance(each, leaving) for each in ast.walk(handler)) for handler in node.handlers)
    return False
