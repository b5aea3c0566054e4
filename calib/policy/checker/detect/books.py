"""Detector of getters that return a stored order book."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final, NamedTuple

from calib.policy.checker.detect import keeping
from calib.policy.checker.kinds import DataKind
from calib.policy.checker.module import Function, FunctionGroup, Module
from calib.policy.checker.traced import FlowEvent
from calib.policy.checker.verbs import getter_kinds, terminal
from calib.policy.checker.words import split, word_set

_CHECKS: Final = word_set(
    "stale staleness age fresh freshness expired alive connected healthy valid timeout elapsed synced ready"
)


class BookGetter(NamedTuple):
    """A function that returns a stored book, with the return event and the slot."""

    group: FunctionGroup
    function: Function
    event: FlowEvent
    kept: keeping.Kept


def book_getters(module: Module) -> Iterator[BookGetter]:
    """Yield functions named after a book that return a slot filled by a stream or a request."""
    for group in module.groups:
        places = {kept.path: kept for kept in keeping.kept_places(module, group)}
        for function in group.functions:
            words = split(function.name)
            if DataKind.BOOK not in getter_kinds(function.name, max(module.level, 2)) or words[:1] not in (
                ("get",),
                ("fetch",),
            ):
                continue
            if keeping.is_simulated(function) or any(event.what == "fetch" for event in function.flow.events):
                continue
            for event in function.flow.of("return"):
                kept = next((places[slot.path] for slot in event.value.slots if slot.path in places), None)
                if kept is not None and _is_filled(kept):
                    yield BookGetter(group, function, event, kept)
                    break


def _is_filled(kept: keeping.Kept) -> bool:
    return any(function.name not in ("__init__", "__post_init__") for function, _ in kept.writes)


def checks_age(module: Module, function: Function) -> bool:
    """Return whether the function compares a time, or checks an age or a health state."""
    if any(guard.asks_age for guard in function.flow.guards) or function.flow.returns_age_test:
        return True
    for node in function.nodes:
        if isinstance(node, ast.Call | ast.Attribute | ast.Name) and not _CHECKS.isdisjoint(split(terminal(node))):
            return True
    return False


def is_polled(module: Module, getter: BookGetter) -> bool:
    """Return whether the book comes only from requests and not from a stream."""
    fetched = any(DataKind.BOOK in event.value.kinds for _, event in getter.kept.writes)
    return fetched and not any(
        keeping.is_stream(function) and not event.value.kinds for function, event in getter.kept.writes
    )
