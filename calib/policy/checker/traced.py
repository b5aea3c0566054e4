"""What is known of a value, of a kept place, and of one thing that a function does."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from calib.policy.checker.kinds import NONE, DataKind
from calib.policy.checker.words import split


class KeptSlot(NamedTuple):
    """A place that outlives one call: an attribute, a class variable, a module variable, or an entry of one."""

    path: str
    """``self._cache``, ``STATE``, ``app.state.account``"""
    key: str = ""
    """The constant text by which an entry of it is named, or empty."""

    @property
    def words(self) -> tuple[str, ...]:
        """The words of its last name and of its key."""
        return split(self.path.rpartition(".")[2]) + split(self.key)


@dataclass(frozen=True, slots=True)
class Traced:
    """What is known of the value of an expression."""

    kinds: frozenset[DataKind] = NONE
    slots: frozenset[KeptSlot] = frozenset()
    clock: bool = False
    aged: bool = False
    """The difference between a clock's time and something kept."""

    def __or__(self, other: Traced) -> Traced:
        if other is NOTHING:
            return self
        if self is NOTHING:
            return other
        return Traced(
            self.kinds | other.kinds, self.slots | other.slots, self.clock or other.clock, self.aged or other.aged
        )


NOTHING: Final = Traced()
NOW: Final = Traced(clock=True)
Trail = tuple[tuple[int, str], ...]


class FlowEvent(NamedTuple):
    """One thing that a function does, with its place in the order and the branches around it."""

    what: str
    """``write``, ``read``, ``fetch``, ``call``, ``return``, ``sleep``"""
    at: int
    node: ast.AST
    trail: Trail
    value: Traced = NOTHING
    slot: KeptSlot = KeptSlot("")
    name: str = ""
    source: ast.AST | None = None
    """What is written, for a write."""

    def inside(self, node: ast.AST, part: str = "") -> bool:
        """Whether it lies in that statement, or in that part of it."""
        return any(owner == id(node) and (not part or where == part) for owner, where in self.trail)

    @property
    def handled(self) -> bool:
        """Whether it lies in an ``except``."""
        return any(where == "except" for _, where in self.trail)


@dataclass(slots=True)
class Guard:
    """An ``if`` whose test asks how old something is, or whether something is kept already."""

    node: ast.If | ast.IfExp | ast.While
    at: int
    """The number of the first event inside it."""
    asks_age: bool
    asked: frozenset[KeptSlot]
    end: int = 0
    trail: Trail = ()


@dataclass(slots=True)
class Flow:
    """Everything that one function does, in order."""

    events: list[FlowEvent] = field(default_factory=list)
    guards: list[Guard] = field(default_factory=list)
    gives_age: bool = False
    """It returns whether something kept is still young enough."""

    def of(self, what: str) -> list[FlowEvent]:
        """The events of one sort, in order."""
        return [event for event in self.events if event.what == what]


@dataclass(slots=True)
class Scope:
    """What a function can see: used by `follow`."""

    level: int
    texts: dict[str, str]
    shared: frozenset[str]
    """Names of the module's variables."""
    own: frozenset[str]
    """Names of the methods of its class, or of the functions of the module: called, not read."""
    yields: Mapping[str, frozenset[DataKind]]
    """What those functions are known to fetch and return."""
    judges: frozenset[str]
    """Which of them say whether something is young enough."""
    owner: str = ""
    """The name of its class."""
