"""Detector of threads, tasks and timers that refresh stored trading data which other functions use."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final, NamedTuple

from calib.policy.checker.detect import keeping
from calib.policy.checker.kinds import DataKind
from calib.policy.checker.module import Function, FunctionGroup, Module
from calib.policy.checker.traced import FlowEvent
from calib.policy.checker.verbs import terminal
from calib.policy.checker.words import split, word_set

_STARTERS: Final = word_set(
    "Thread Timer create_task ensure_future run_in_executor submit add_job start_soon call_later gather do "
    "TaskGroup start_background_task spawn run_coroutine_threadsafe add_task apply_async Process"
)
_SCHEDULED: Final = frozenset(["Timer", "add_job", "call_later", "do"])
_DECORATORS: Final = frozenset(["repeat_every", "scheduled_job", "loop", "interval", "periodic_task", "every", "cron"])
_REFRESH: Final = word_set(
    "refresh refresher poll poller polling sync syncer update updater background fetch monitor watch"
)


class Refresher(NamedTuple):
    """A background function and one of its writes that other functions read."""

    entry: Function
    function: Function
    write: FlowEvent
    kinds: frozenset[DataKind]


def refreshers(module: Module, wanted: frozenset[DataKind]) -> Iterator[Refresher]:
    """Yield the background refreshes of stored data of these kinds, one per slot."""
    started, scheduled = _started(module)
    for group in module.groups:
        places = list(keeping.kept_places(module, group))
        functions = group.functions if group.name else list(module.functions)
        for entry in group.functions:
            if not _is_background(group, entry, started, scheduled) or keeping.is_simulated(entry):
                continue
            reached = _reached(entry, functions)
            for kept in places:
                for function, write in keeping.fetched(kept, wanted, module.level):
                    if function.name in reached and _used_outside(kept, reached, entry):
                        yield Refresher(entry, function, write, write.value.kinds & wanted)
                        break


def _started(module: Module) -> tuple[set[str], set[str]]:
    """Return names of functions that run concurrently with their caller, and of those that run periodically."""
    started: set[str] = set()
    scheduled: set[str] = set()
    for node in module.nodes:
        if not isinstance(node, ast.Call) or (name := terminal(node.func)) not in _STARTERS:
            continue
        for argument in [*node.args, *(each.value for each in node.keywords)]:
            inner = argument.value if isinstance(argument, ast.Starred) else argument
            if isinstance(inner, ast.Call | ast.Attribute | ast.Name) and (target := terminal(inner)):
                started.add(target)
                if name in _SCHEDULED:
                    scheduled.add(target)
    for function in module.functions:
        if any(terminal(each) in _DECORATORS for each in function.node.decorator_list):
            scheduled.add(function.name)
    return started | scheduled, scheduled


def _is_background(group: FunctionGroup, entry: Function, started: set[str], scheduled: set[str]) -> bool:
    if entry.name in scheduled:
        return True
    bases = {terminal(base) for base in group.node.bases} if isinstance(group.node, ast.ClassDef) else set()
    runs = entry.name in started or (entry.name == "run" and bool(bases & {"Thread", "Process", "QThread"}))
    if not runs and not ({"loop", "poll", "refresher", "background"} & set(split(entry.name))):
        return False
    return any(
        isinstance(node, ast.While | ast.AsyncFor) or (isinstance(node, ast.For) and _is_endless(node))
        for node in entry.nodes
    )


def _is_endless(node: ast.For) -> bool:
    return terminal(node.iter) in ("count", "cycle", "repeat")


def _reached(entry: Function, functions: list[Function]) -> set[str]:
    calls = {function.name: {call.name for call in function.flow.of("call")} for function in functions}
    reached = {entry.name}
    while True:
        more = set().union(*(calls.get(name, set()) for name in reached)) - reached
        if not more:
            return reached
        reached |= more


def _used_outside(kept: keeping.Kept, reached: set[str], entry: Function) -> bool:
    for reader, _ in kept.reads:
        if reader.name not in reached and not keeping.is_showing(reader) and reader.name != "__init__":
            return True
    elsewhere = kept.path.count(".") >= 2 or not kept.path.startswith("self.")
    return elsewhere and not kept.reads and not _REFRESH.isdisjoint(split(entry.name))
