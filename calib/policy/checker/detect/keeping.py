"""Slots: attributes and variables that store fetched data, with the functions that write and read them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from calib.policy.checker.kinds import NONE, NOT_DATA, PROHIBITED, STATIC, DataKind, is_fixed, kinds_of
from calib.policy.checker.module import Function, FunctionGroup, Module, once
from calib.policy.checker.traced import FlowEvent, KeptSlot
from calib.policy.checker.words import says_cache, split, word_set

_SHOWING: Final = word_set(
    "repr str log print report render display show dict json status stats summary format dashboard plot "
    "describe dump save export serialize notify telegram metrics health info debug close stop shutdown "
    "disconnect reset clear cleanup"
)
_STREAM_FIRST: Final = frozenset(["on", "handle", "handler", "process", "consume", "apply"])
_STREAM_WORDS: Final = word_set("message msg event stream websocket ws socket push callback listener webhook")
_SIMULATED: Final = word_set(
    "paper backtest backtester backtesting simulated simulator simulation mock fake dummy stub sim virtual "
    "replay test tests dry historical"
)
_KEEPERS: Final = word_set("wallet wallets state snapshot latest data current info")


@dataclass(frozen=True, slots=True)
class Kept:
    """A slot with all its writes and reads in one file."""

    path: str
    kinds: frozenset[DataKind]
    writes: tuple[tuple[Function, FlowEvent], ...]
    reads: tuple[tuple[Function, FlowEvent], ...]


def slot_kinds(slot: KeptSlot, level: int) -> frozenset[DataKind]:
    """Return the kinds of data that the name of a slot indicates."""
    words = slot.words
    return NONE if is_fixed(words) else kinds_of(words, level)


_ALIKE: Final = (
    frozenset({DataKind.BALANCE, DataKind.POSITION}),
    frozenset({DataKind.ORDER}),
    frozenset({DataKind.TRADE, DataKind.PRICE}),
    frozenset({DataKind.BOOK, DataKind.PRICE}),
    STATIC,
)
"""Kinds that one response may contain; a position computed from the fill of an order is not a cached response."""


def can_keep(slot: KeptSlot, given: frozenset[DataKind], level: int) -> bool:
    """Return whether a slot's name allows fetched data of these kinds: the data itself, a cache, a state, a wallet."""
    words = slot.words
    if is_fixed(words):
        return False
    if kinds := kinds_of(words, max(level, 2)):  # fetched data of a kind shows that the file is about trading
        return any(kinds & sort and given & sort for sort in _ALIKE)
    if not NOT_DATA.isdisjoint(words):
        return False
    return says_cache(words) or (bool(words) and words[-1] in _KEEPERS)


def is_stream(function: Function) -> bool:
    """Return whether a function handles stream events, so that its writes are pushed and not polled."""
    words = split(function.name)
    if words and (words[0] in _STREAM_FIRST or not _STREAM_WORDS.isdisjoint(words)):
        return True
    return any(isinstance(node, ast.AsyncFor) for node in function.nodes)


def is_showing(function: Function) -> bool:
    """Return whether a function only displays, saves or clears data."""
    return not _SHOWING.isdisjoint(split(function.name))


def is_simulated(function: Function) -> bool:
    """Return whether a function belongs to a paper or test account, whose figures are not copies of an exchange's."""
    return is_simulated_name(function.owner) or is_simulated_name(function.name)


def is_simulated_name(name: str) -> bool:
    """Return whether a name refers to a paper or test account."""
    return not _SIMULATED.isdisjoint(split(name))


@once
def kept_places(module: Module, group: FunctionGroup) -> Iterator[Kept]:
    """Yield the slots of a class or of the module, with their writes and reads."""
    functions = group.functions if group.name else list(module.functions)
    places: dict[str, tuple[list[tuple[Function, FlowEvent]], list[tuple[Function, FlowEvent]], set[DataKind]]] = {}
    for function in functions:
        for event in function.flow.events:
            if event.what not in ("write", "read") or event.slot.path.startswith("self.") != bool(group.name):
                continue
            writes, reads, kinds = places.setdefault(event.slot.path, ([], [], set()))
            (writes if event.what == "write" else reads).append((function, event))
            kinds |= slot_kinds(event.slot, module.level)
    for path, (_, reads, _) in list(places.items()):
        while (path := path.rpartition(".")[0]) and path in places and path != "self":
            places[path][1].extend(reads)  # a read of `self.account.cash` is also a read of `self.account`
    for path, (writes, reads, kinds) in places.items():
        yield Kept(path, frozenset(kinds), tuple(writes), tuple(reads))


def is_streamed(kept: Kept) -> bool:
    """Return whether a stream updates the slot; a snapshot at the start or after a reconnect may initialise it."""
    pushed = False
    for function, event in kept.writes:
        if function.name in ("__init__", "__post_init__") or isinstance(event.node, ast.Constant):
            continue
        if is_stream(function) and (not event.value.kinds or not _STREAM_WORDS.isdisjoint(split(function.name))):
            pushed = True
        elif event.value.kinds and not _is_start(function):
            return False
    return pushed


def _is_start(function: Function) -> bool:
    words = set(split(function.name))
    return bool(
        words
        & {
            "start",
            "connect",
            "reconnect",
            "init",
            "initialize",
            "initialise",
            "setup",
            "snapshot",
            "resync",
            "reconcile",
            "bootstrap",
            "load",
        }
    )


def fetched(kept: Kept, wanted: frozenset[DataKind], level: int) -> list[tuple[Function, FlowEvent]]:
    """Return the slot's writes of data of the wanted kinds that was fetched in the same function."""
    found = []
    for function, event in kept.writes:
        kinds = event.value.kinds & wanted
        if kinds and can_keep(event.slot, kinds, level) and not is_simulated(function):
            found.append((function, event))
    return found


def writers(module: Module, group: FunctionGroup, kinds: frozenset[DataKind] = PROHIBITED) -> dict[str, set[str]]:
    """Return, per function of the group, the slots to which it or its callees write fetched data."""
    functions = group.functions if group.name else list(module.functions)
    own: dict[str, set[str]] = {}
    for function in functions:
        mine = own.setdefault(function.name, set())
        for event in function.flow.of("write"):
            if event.value.kinds & kinds and can_keep(event.slot, event.value.kinds, module.level):
                mine.add(event.slot.path)
    for _ in range(4):
        for function in functions:
            for call in function.flow.of("call"):
                own[function.name] |= own.get(call.name, set())
    return own
