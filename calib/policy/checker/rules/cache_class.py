"""CAL102: a class that is a cache of prohibited data."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from calib.policy.checker.detect import keeping
from calib.policy.checker.findings import Hit, Rule, Severity, code
from calib.policy.checker.kinds import NONE, PROHIBITED, DataKind, kinds_of
from calib.policy.checker.messages import listed
from calib.policy.checker.module import FunctionGroup, Module
from calib.policy.checker.traced import KeptSlot
from calib.policy.checker.verbs import terminal
from calib.policy.checker.words import CACHE_WORDS, says_cache, split, word_set

_OTHERS = word_set(
    "error exception config settings stats metrics test tests protocol interface enum key policy options mixin "
    "invalidator monitor detector"
)


def _find(module: Module) -> Iterator[Hit]:
    for group in module.classes:
        words = split(group.name)
        if not says_cache(words) or not _OTHERS.isdisjoint(words) or _is_other(group):
            continue
        rest = tuple(word for word in words if word not in CACHE_WORDS)
        if kinds := kinds_of(rest, max(module.level, 2)) & PROHIBITED:
            yield Hit(group.node, f"`{group.name}` is a cache of {listed(kinds)}, which must never be cached")
        elif kinds_of(rest, 3):
            continue  # its name refers to data that may be cached
        elif kinds := _held(module, group):
            yield Hit(group.node, f"`{group.name}` is a cache and holds {listed(kinds)}, which must never be cached")


def _is_other(group: FunctionGroup) -> bool:
    if not isinstance(group.node, ast.ClassDef):
        return True
    bases = {word for base in group.node.bases for word in split(terminal(base))}
    return bool(bases & {"exception", "error", "enum", "protocol", "test"})


def _held(module: Module, group: FunctionGroup) -> frozenset[DataKind]:
    """Return the prohibited kinds in the names of the class's attributes."""
    found = NONE
    for kept in keeping.kept_places(module, group):
        if kept.writes and not keeping.is_streamed(kept):
            found |= keeping.slot_kinds(KeptSlot(kept.path), module.level)
    assert isinstance(group.node, ast.ClassDef)
    for node in group.node.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found |= keeping.slot_kinds(KeptSlot(f"self.{name}"), module.level)
    return found & (PROHIBITED - {DataKind.TRADE})


RULE = Rule(
    id="CAL102",
    name="cache-class",
    severity=Severity.ERROR,
    title="A class that is a cache of balances, orders, positions or accounts",
    why=(
        "Code that reads from such a class does not know how old the data is. Give that code the client, or a "
        "protocol that always fetches, instead."
    ),
    wrong=code("""
        class PositionCache:
            def __init__(self):
                self._entries = {}

            def put(self, symbol, position):
                self._entries[symbol] = position

            def get(self, symbol):
                return self._entries.get(symbol)
    """),
    right=code("""
        class FreshPositions:
            def __init__(self, client):
                self._client = client

            def get(self, symbol):
                return self._client.fetch_position(symbol)
    """),
    find=_find,
)
