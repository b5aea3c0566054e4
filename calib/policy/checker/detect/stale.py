"""Detector of fetched data that one function stores and another uses without a fetch in between."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from calib.policy.checker.detect import keeping
from calib.policy.checker.detect.keeping import Kept
from calib.policy.checker.kinds import DataKind
from calib.policy.checker.module import Function, FunctionGroup, Module, once
from calib.policy.checker.traced import FlowEvent


class StaleRead(NamedTuple):
    """A slot, a write of fetched data, and a read without a preceding fetch."""

    kept: Kept
    written_in: Function
    write: FlowEvent
    read_in: Function
    read: FlowEvent
    kinds: frozenset[DataKind]


@dataclass(slots=True)
class _Callers:
    """The call graph of a class or a module, and the functions that refresh a slot."""

    functions: list[Function]
    refreshers: set[str]
    path: str
    seen: dict[str, bool] = field(default_factory=dict)

    def fresh(self, function: Function, event: FlowEvent) -> bool:
        """Return whether the slot is refreshed before this event, in the function or in every caller."""
        if self.refreshed(function, event):
            return True
        if function.name in self.seen:
            return self.seen[function.name]
        self.seen[function.name] = True  # ends the recursion for cyclic calls
        calls = [
            (caller, call)
            for caller in self.functions
            if caller.name != function.name
            for call in caller.flow.of("call")
            if call.name == function.name
        ]
        answer = bool(calls) and all(self.fresh(caller, call) for caller, call in calls)
        self.seen[function.name] = answer
        return answer

    def refreshed(self, function: Function, event: FlowEvent) -> bool:
        loops = {owner for owner, part in event.trail if part == "loop"}
        for other in function.flow.events:
            fresh = (other.what == "call" and other.name in self.refreshers) or (
                other.what == "write" and other.slot.path == self.path and bool(other.value.kinds)
            )
            same_loop = loops & {owner for owner, part in other.trail if part == "loop"}
            if fresh and (other.at < event.at or same_loop):
                return True
        return False


@once
def stale_reads(module: Module, group: FunctionGroup, wanted: frozenset[DataKind]) -> Iterator[StaleRead]:
    """Yield at most one stale read per slot of the group."""
    owned = keeping.writers(module, group, wanted)
    functions = group.functions if group.name else list(module.functions)
    for kept in keeping.kept_places(module, group):
        fetched = keeping.fetched(kept, wanted, module.level)
        if not fetched or keeping.is_streamed(kept):
            continue
        refreshers = {name for name, paths in owned.items() if kept.path in paths}
        callers = _Callers(functions, refreshers, kept.path)
        for reader, read in kept.reads:
            if (
                keeping.is_showing(reader)
                or reader.name in ("__init__", "__post_init__", *refreshers)
                or _is_tested_only(reader, read)
            ):
                continue
            if not callers.fresh(reader, read):
                function, write = fetched[0]
                yield StaleRead(kept, function, write, reader, read, write.value.kinds & wanted)
                break


def _is_tested_only(function: Function, read: FlowEvent) -> bool:
    """Return whether the access only writes to the slot (``self.x[key] = ...``) and does not use its data."""
    return isinstance(getattr(read.node, "ctx", None), ast.Store)


class Memo(NamedTuple):
    """A fetch that is skipped if an earlier result is stored."""

    function: Function
    write: FlowEvent
    kinds: frozenset[DataKind]


@once
def memos(module: Module, wanted: frozenset[DataKind]) -> Iterator[Memo]:
    """Yield ``if self._balance is None: self._balance = fetch()`` and ``if key in cache: return cache[key]``."""
    for function in module.functions:
        if keeping.is_simulated(function):
            continue
        for write in function.flow.of("write"):
            kinds = write.value.kinds & wanted
            if not kinds or not keeping.can_keep(write.slot, kinds, module.level):
                continue
            if _skipped(function, write):
                yield Memo(function, write, kinds)
                break


def _skipped(function: Function, write: FlowEvent) -> bool:
    for guard in function.flow.guards:
        if (
            guard.asks_age
            or write.slot.path not in {slot.path for slot in guard.asked}
            or not _asks_presence(guard.node.test)
        ):
            continue
        if write.inside(guard.node):
            return True
        for event in function.flow.of("return"):
            if event.inside(guard.node, "body") and write.slot.path in {slot.path for slot in event.value.slots}:
                return guard.at < write.at
    return False


def _asks_presence(test: ast.expr) -> bool:
    for node in ast.walk(test):
        if isinstance(node, ast.Compare) and any(
            isinstance(op, ast.Lt | ast.Gt | ast.LtE | ast.GtE) for op in node.ops
        ):
            return False
    return True
