"""Detector of hand-written TTLs: ``if now - fetched_at < ttl: return cached``, and variants."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from calib.policy.checker.detect import keeping
from calib.policy.checker.kinds import NONE, PROHIBITED, DataKind, is_fixed, kinds_of
from calib.policy.checker.module import Function, Module, once
from calib.policy.checker.traced import FlowEvent, Guard, KeptSlot
from calib.policy.checker.verbs import getter_kinds
from calib.policy.checker.words import says_cache, split


class Idiom(NamedTuple):
    """An age test that decides whether trading data is fetched."""

    function: Function
    guard: Guard
    kinds: frozenset[DataKind]


@once
def idioms(module: Module, wanted: frozenset[DataKind]) -> Iterator[Idiom]:
    """Yield every age test that serves stored data of these kinds instead of fetching it."""
    for group in module.groups:
        owned = _written(module, group.functions)
        for function in group.functions:
            if keeping.is_simulated(function):
                continue
            for guard in function.flow.guards:
                if guard.asks_age and (kinds := _decides(module, function, guard, owned) & wanted):
                    yield Idiom(function, guard, kinds)


def _decides(
    module: Module, function: Function, guard: Guard, owned: dict[str, frozenset[DataKind]]
) -> frozenset[DataKind]:
    events = function.flow.events
    inside = events[guard.at : guard.end]
    returned = NONE
    for event in inside:
        if event.what == "return" and event.value.slots:
            returned |= _kept_kinds(module, function, event.value.slots, event.value.kinds)
    if returned:
        return returned
    refreshed = NONE
    for event in inside:
        refreshed |= _refreshes(module, event, owned)
    if refreshed:
        return refreshed
    if _uses_kept(guard):
        local = NONE
        for event in inside:
            if event.what == "read" and not event.value.kinds and event.inside(guard.node, "body"):
                local |= _named(module, event.slot)
        if local and any(event.what == "fetch" for event in events):
            return local
    if _ends_early(guard):
        for event in events[guard.end :]:
            refreshed |= _refreshes(module, event, owned)
    return refreshed


def _uses_kept(guard: Guard) -> bool:
    return isinstance(guard.node, ast.If) and bool(guard.node.body) and isinstance(guard.node.body[-1], ast.Assign)


def _ends_early(guard: Guard) -> bool:
    """Return whether the branch returns without a value: ``if now - self._at < 5: return``."""
    if not isinstance(guard.node, ast.If):
        return False
    last = guard.node.body[-1]
    return isinstance(last, ast.Return) and (last.value is None or isinstance(last.value, ast.Constant))


def _kept_kinds(
    module: Module, function: Function, slots: frozenset[KeptSlot], kinds: frozenset[DataKind]
) -> frozenset[DataKind]:
    """Return the kinds of a returned value by the slot's name, else by the function's, its fetches or its class."""
    named = NONE.union(*(_named(module, slot) for slot in slots))
    if named or kinds:
        return named or kinds
    if any(is_fixed(slot.words) for slot in slots):
        return NONE
    own = getter_kinds(function.name, module.level)
    if own:
        return own
    fetched = NONE.union(*(event.value.kinds for event in function.flow.of("fetch")))
    if fetched:
        return fetched
    if any(says_cache(slot.words) or "data" in slot.words for slot in slots) and says_cache(split(function.owner)):
        return kinds_of(split(function.owner), module.level)
    return NONE


def _named(module: Module, slot: KeptSlot) -> frozenset[DataKind]:
    return keeping.slot_kinds(slot, module.level)


def _refreshes(module: Module, event: FlowEvent, owned: dict[str, frozenset[DataKind]]) -> frozenset[DataKind]:
    if event.what == "call":
        return owned.get(event.name, NONE)
    if event.what == "write" and event.value.kinds and keeping.can_keep(event.slot, event.value.kinds, module.level):
        return event.value.kinds
    return NONE


def _written(module: Module, functions: list[Function]) -> dict[str, frozenset[DataKind]]:
    """Return the kinds of fetched data that each function, or one that it calls, stores."""
    own: dict[str, frozenset[DataKind]] = {}
    for function in functions:
        kinds = NONE
        for event in function.flow.of("write"):
            if event.value.kinds and keeping.can_keep(event.slot, event.value.kinds, module.level):
                kinds |= event.value.kinds
        own[function.name] = own.get(function.name, NONE) | kinds
    for _ in range(3):
        for function in functions:
            for call in function.flow.of("call"):
                own[function.name] |= own.get(call.name, NONE)
    return own


def is_prohibited(kinds: frozenset[DataKind]) -> bool:
    """Return whether any of the kinds must never be cached."""
    return bool(kinds & PROHIBITED)
