"""Detector of slots named as caches of trading data, and of expiring containers of such data."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from calib.policy.checker.detect import keeping
from calib.policy.checker.kinds import NONE, DataKind, is_fixed, kinds_of
from calib.policy.checker.module import FunctionGroup, Module, once
from calib.policy.checker.traced import KeptSlot
from calib.policy.checker.verbs import terminal
from calib.policy.checker.words import says_cache, split

_EXPIRING: Final = frozenset(
    ["TTLCache", "LRUCache", "TLRUCache", "ExpiringDict", "TTLDict", "LFUCache", "ExpiringCache"]
)
_TIMES: Final = frozenset(["fetched", "cached", "expires", "expiry", "refreshed"])


@dataclass(frozen=True, slots=True)
class Declared:
    """A slot that is a cache by its name or its type."""

    owner: str
    path: str
    node: ast.AST
    kinds: frozenset[DataKind]
    fetched: bool
    """Whether this file stores fetched data in it."""


@once
def declared(module: Module) -> Iterator[Declared]:
    """Yield the caches of trading data that the file declares, one per slot."""
    for group in module.groups:
        places = {kept.path: kept for kept in keeping.kept_places(module, group)}
        found: dict[str, tuple[ast.AST, frozenset[DataKind]]] = {}
        for path, node, kinds in _named(module, group, places):
            found.setdefault(path, (node, kinds))
        for path, (node, kinds) in found.items():
            kept = places.get(path)
            if kept is not None and any(_is_tracker(event.source) for _, event in kept.writes):
                continue
            if keeping.is_simulated_name(group.name) or (kept is not None and keeping.is_streamed(kept)):
                continue
            fetched = kept is not None and any(event.value.kinds for _, event in kept.writes)
            yield Declared(group.name, path, node, kinds, fetched)


def _named(
    module: Module, group: FunctionGroup, places: dict[str, keeping.Kept]
) -> Iterator[tuple[str, ast.AST, frozenset[DataKind]]]:
    for name, target, value in _declarations(group):
        path = f"self.{name}" if group.name else name
        kinds = _kinds(module, KeptSlot(path), value)
        if kinds and _is_used(places.get(path), in_class=bool(group.name)):
            yield path, target, kinds
    yield from _dated_fields(module, group)
    if not group.name:
        yield from _handed_over(module, places)
    for path, kept in places.items():
        for _, event in kept.writes:
            source = event.source if isinstance(event.source, ast.expr) else None
            if (kinds := _kinds(module, event.slot, source)) and _is_used(kept, in_class=False):
                yield path, event.node, kinds
                break


def _declarations(group: FunctionGroup) -> Iterator[tuple[str, ast.stmt, ast.expr | None]]:
    for node in group.node.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, node, value
            case ast.AnnAssign(target=ast.Name(id=name), value=value):
                yield name, node, value


def _kinds(module: Module, slot: KeptSlot, value: ast.expr | None) -> frozenset[DataKind]:
    words = slot.words
    if is_fixed(words) or _is_tracker(value):
        return NONE
    kinds = kinds_of(words, module.level)
    if kinds and (says_cache(words) or _expires(value)):
        return kinds
    if says_cache(words) and isinstance(value, ast.Dict):
        keys = [each.value for each in value.keys if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        return NONE.union(*(kinds_of(split(key), module.level) for key in keys))
    return NONE


def _expires(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Call) and terminal(value.func) in _EXPIRING


def _is_tracker(value: ast.AST | None) -> bool:
    """Return whether a slot holds a set or a queue, such as seen ids or request times."""
    if isinstance(value, ast.Set | ast.SetComp):
        return True
    return isinstance(value, ast.Call) and terminal(value.func) in ("set", "deque", "Lock", "RLock", "Queue", "Event")


def _is_used(kept: keeping.Kept | None, *, in_class: bool) -> bool:
    """Return whether the slot is used besides its declaration; a class field may be used in other files."""
    if kept is None:
        return in_class
    later = [event for function, event in kept.writes if function.name not in ("__init__", "__post_init__")]
    return bool(later or kept.reads)


def _handed_over(module: Module, places: dict[str, keeping.Kept]) -> Iterator[tuple[str, ast.AST, frozenset[DataKind]]]:
    """Yield module variables that a function such as ``store_orders(orders)`` stores together with the time."""
    for function in module.functions:
        if split(function.name)[:1] not in (("store",), ("set",), ("cache",), ("save",)) or function.owner:
            continue
        writes = function.flow.of("write")
        if not any(event.value.clock for event in writes):
            continue
        for event in writes:
            kinds = keeping.slot_kinds(event.slot, module.level)
            read_by = (
                {reader.name for reader, _ in places[event.slot.path].reads} if event.slot.path in places else set()
            )
            if kinds and not event.value.clock and read_by - {function.name}:
                yield event.slot.path, event.node, kinds


def _dated_fields(module: Module, group: FunctionGroup) -> Iterator[tuple[str, ast.AST, frozenset[DataKind]]]:
    """Yield fields of a dataclass that also has a field for the time of the fetch."""
    if not isinstance(group.node, ast.ClassDef):
        return
    decorators = {terminal(each) for each in group.node.decorator_list}
    if not {"dataclass", "dataclasses", "define", "attrs"} & decorators:
        return
    names = [(name, node) for name, node, _ in _declarations(group)]
    words = [set(split(name)) for name, _ in names]
    dated = any(each & _TIMES and each & {"at", "time", "ts", "timestamp", "until"} for each in words)
    cached = says_cache(split(group.name)) or dated
    for name, node in names:
        kinds = kinds_of(split(name), module.level)
        if kinds and cached and not is_fixed(split(name)):
            yield f"self.{name}", node, kinds
