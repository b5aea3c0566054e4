"""The types of the data-flow analysis: slots, traced values, events and guards."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from calib.policy.checker.kinds import NONE, DataKind
from calib.policy.checker.words import split


class KeptSlot(NamedTuple):
    """A variable that outlives a call: an attribute, a class variable, a module variable, or an entry of one."""

    path: str
    """``self._cache``, ``STATE``, ``app.state.account``"""
    key: str = ""
    """The constant key of the entry, or empty."""

    @property
    def words(self) -> tuple[str, ...]:
        """The words of its last name and of its key."""
        return split(self.path.rpartition(".")[2]) + split(self.key)


@dataclass(frozen=True, slots=True)
class Traced:
    """The properties of an expression's value."""

    kinds: frozenset[DataKind] = NONE
    slots: frozenset[KeptSlot] = frozenset()
    clock: bool = False
    aged: bool = False
    """Whether it is a difference between the current time and a stored value."""

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
    """One event in a function, with its number and the enclosing branches."""

    what: str
    """``write``, ``read``, ``fetch``, ``call``, ``return``, ``sleep``"""
    at: int
    node: ast.AST
    trail: Trail
    value: Traced = NOTHING
    slot: KeptSlot = KeptSlot("")
    name: str = ""
    source: ast.AST | None = None
    """The written expression of a write."""

    def inside(self, node: ast.AST, part: str = "") -> bool:
        """Return whether it is in that statement, or in that part of it."""
        return any(owner == id(node) and (not part or where == part) for owner, where in self.trail)

    @property
    def handled(self) -> bool:
        """Whether it is in an ``except``."""
        return any(where == "except" for _, where in self.trail)


@dataclass(slots=True)
class Guard:
    """An ``if`` with its test: whether it tests an age, and which slots it reads."""

    node: ast.If | ast.IfExp | ast.While
    at: int
    """Number of the first event inside it."""
    asks_age: bool
    asked: frozenset[KeptSlot]
    end: int = 0
    trail: Trail = ()


@dataclass(slots=True)
class Flow:
    """The events of one function, in order."""

    events: list[FlowEvent] = field(default_factory=list)
    guards: list[Guard] = field(default_factory=list)
    returns_age_test: bool = False
    """Whether it returns the result of an age test."""

    def of(self, what: str) -> list[FlowEvent]:
        """Return the events of one kind, in order."""
        return [event for event in self.events if event.what == what]


@dataclass(slots=True)
class Scope:
    """The names visible in a function, for `follow`."""

    level: int
    texts: dict[str, str]
    shared: frozenset[str]
    """Names of the module's variables."""
    own: frozenset[str]
    """Names of the methods of its class, or of the functions of the module."""
    yields: Mapping[str, frozenset[DataKind]]
    """The kinds of data that those functions fetch and return."""
    age_tests: frozenset[str]
    """Names of those functions that return an age test."""
    owner: str = ""
    """The name of its class."""
