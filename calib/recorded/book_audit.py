"""The audit of a recorded book: checks the ids by the rules of the live book, and rebuilds the book to see it crossed.

Pure and streaming. It keeps one book per symbol and, while that is out of sync, at most `HELD` deltas for a snapshot
that may reach back to them.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from calib.market.book.book_side import Change
from calib.market.book.order_book import OrderBook
from calib.market.stream.sequence import NO_PREVIOUS, RULES, Ids, SequenceState, SequenceVerdict
from calib.recorded.repeated_deltas import BEHIND, RepeatedDeltas
from calib.recorded.sequence_detection import EVERY, is_pushed

HELD: Final = 4096
"""Deltas kept per symbol while there is no book; a snapshot that is older than these is too late."""

TROUBLES: Final = ("gaps", "rewinds", "duplicates", "restarts", "crossed", "before_snapshot", "late_snapshots")
"""The possible problems, in the order of the output."""

_PROBLEM_NAMES: Final = {
    SequenceVerdict.GAP: "gaps",
    SequenceVerdict.REWIND: "rewinds",
    SequenceVerdict.DUPLICATE: "duplicates",
    SequenceVerdict.RESTART: "restarts",
}


class Message(Protocol):
    """A line of a book feed, as a record."""

    @property
    def symbol(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def first_update_id(self) -> int | None: ...
    @property
    def update_id(self) -> int | None: ...
    @property
    def prev_update_id(self) -> int | None: ...
    @property
    def origin(self) -> str | None: ...
    @property
    def bids(self) -> Sequence[Change]: ...
    @property
    def asks(self) -> Sequence[Change]: ...


@dataclass(frozen=True, slots=True)
class BookFacts:
    """The findings for one symbol's book in one file.

    Parameters
    ----------
    symbol
        The market.
    snapshots, deltas
        Number of lines of each type.
    rules
        Number of deltas by the rule that their ids fit: ``previous``, ``range``, ``contiguous``, or ``none`` (no id).
    sessions
        Number of books started: by the first snapshot, by one after a loss, or by one that covers unrecorded messages.
    unverified
        Deltas that belong to no book: messages before them were lost, or there was no snapshot yet.
    troubles, first_line
        The problems found, by name (`TROUBLES`): their number, and the line of the first one.
    """

    symbol: str
    snapshots: int
    deltas: int
    rules: dict[str, int]
    sessions: int
    unverified: int
    troubles: dict[str, int]
    first_line: dict[str, int]

    @property
    def lines(self) -> int:
        """Number of snapshots and deltas."""
        return self.snapshots + self.deltas

    @property
    def bad_lines(self) -> int:
        """Number of lines after which the book was unknown or crossed."""
        return min(self.unverified + self.troubles.get("crossed", 0), self.lines)


class BookAudit:
    """Checks the lines of book files in order; the state at the end of a file is kept for the next file.

    Parameters
    ----------
    with_deltas
        The symbols with deltas in the input; they decide how a snapshot without ``origin`` is treated.

    >>> from types import SimpleNamespace
    >>> def delta(first, last):
    ...     ids = {"first_update_id": first, "update_id": last, "prev_update_id": None, "origin": None}
    ...     return SimpleNamespace(symbol="A", type="delta", bids=[(9, 1)], asks=[], **ids)
    >>> audit = BookAudit()
    >>> for line, message in enumerate([delta(1, 4), delta(5, 6), delta(9, 9)], 1):
    ...     audit.see(line, message)
    >>> facts, = audit.finish_file()
    >>> facts.rules, facts.troubles, facts.first_line["gaps"]
    ({'range': 3}, {'gaps': 1, 'before_snapshot': 3}, 3)
    """

    def __init__(self, with_deltas: Container[str] = EVERY) -> None:
        self._symbols: dict[str, _Symbol] = {}
        self._with_deltas = with_deltas

    def see(self, line: int, message: Message) -> None:
        """Process the next line; the lines of one symbol must be in the order in which they were received."""
        found = self._symbols.get(message.symbol)
        if found is None:
            found = self._symbols[message.symbol] = _Symbol(message.symbol, self._with_deltas)
        found.see(line, message)

    def finish_file(self) -> tuple[BookFacts, ...]:
        """Return the findings of the lines since the last call, by symbol; books and ids are kept."""
        found = [symbol.facts() for _, symbol in sorted(self._symbols.items())]
        return tuple(facts for facts in found if facts.snapshots or facts.deltas)


class _Held(NamedTuple):
    line: int
    ids: Ids
    rule: str
    bids: Sequence[Change]
    asks: Sequence[Change]


@dataclass(slots=True)
class _Counts:
    snapshots: int = 0
    deltas: int = 0
    sessions: int = 0
    unverified: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    first_line: dict[str, int] = field(default_factory=dict)


class _Symbol:
    """The state of one symbol: the last id of its deltas (``chain``), and of its book (``at``, None out of sync)."""

    def __init__(self, symbol: str, with_deltas: Container[str]) -> None:
        self.book = OrderBook(symbol)
        self.with_deltas = with_deltas
        self.repeats = RepeatedDeltas()
        self.counts = _Counts()
        self.synced = False
        self.begun = False  # whether there was a snapshot
        self.at: SequenceState | None = None
        self.chain: int | None = None
        self.late: Any = None  # a snapshot older than the book: the venue may have restarted its ids with it
        self.covered = False  # whether the snapshot that awaits its bridge was already counted as a session
        self.held: deque[_Held] = deque(maxlen=HELD)

    def facts(self) -> BookFacts:
        counts, self.counts = self.counts, _Counts()
        names = [name for name in TROUBLES if counts.troubles[name]]
        return BookFacts(
            self.book.symbol,
            counts.snapshots,
            counts.deltas,
            dict(sorted(counts.rules.items())),
            counts.sessions,
            counts.unverified,
            {name: counts.troubles[name] for name in names},
            {name: counts.first_line[name] for name in names},
        )

    def see(self, line: int, message: Message) -> None:
        if message.type == "snapshot":
            self.counts.snapshots += 1
            self._snapshot(line, message)
            return
        self.counts.deltas += 1
        rule = _rule_of(message)
        self.counts.rules[rule] += 1
        if message.update_id is None:
            self._without_id(line, message)
            return
        ids = Ids(message.update_id, message.first_update_id, message.prev_update_id)
        if rule == "previous" and ids.prev_id == NO_PREVIOUS:
            # A delta without predecessor is a whole book (OKX).
            self.chain = ids.last_id
            self._install(line, message, SequenceState(ids.last_id, True))
            return
        self._delta(_Held(line, ids, rule, message.bids, message.asks))

    # -- snapshots -----------------------------------------------------------------------------------------------------

    def _snapshot(self, line: int, message: Message) -> None:
        update_id = message.update_id
        if update_id is None:
            self._install(line, message, None)
        elif is_pushed(message, self.with_deltas):
            self._pushed(line, message, update_id)
        elif self.synced:
            last = update_id if self.at is None else self.at.last_id
            if update_id < last:
                self.late = message  # outdated, unless the next delta continues it
            else:
                self._install(line, message, SequenceState(update_id, update_id == last and self.chain == last))
        else:
            self._catch_up(line, message, SequenceState(update_id, False))

    def _pushed(self, line: int, message: Message, update_id: int) -> None:
        """A whole book pushed in the stream: it needs no bridge, and a lower id starts a session."""
        if self.synced and self.at is not None and update_id < self.at.last_id:
            self.synced = False
            self.repeats.forget()
        self.chain = update_id
        self._install(line, message, SequenceState(update_id, True))

    def _catch_up(self, line: int, message: Message, at: SequenceState) -> None:
        """Use a snapshot for a book out of sync, with the held deltas that it does not include, if they reach it."""
        waiting = [held for held in self.held if RULES[held.rule](at, held.ids) is not SequenceVerdict.OLD]
        if waiting and RULES[waiting[0].rule](at, waiting[0].ids) is not SequenceVerdict.ACCEPT:
            self._count_problem("late_snapshots", line)
            self.late = message
            return
        self._install(line, message, at)
        for held in waiting:
            self._apply(held)
            self.counts.unverified = max(self.counts.unverified - 1, 0)  # it may have been counted in an earlier file

    def _install(self, line: int, message: Message, at: SequenceState | None) -> None:
        if not self.synced or message.type == "delta":
            self.counts.sessions += 1
        # A synced book continues, unless later deltas show that this snapshot covers a gap between them.
        self.covered = not self.synced
        self.synced = self.begun = True
        self.at, self.late = at, None
        self.held.clear()
        self.book.snapshot(message.bids, message.asks)
        self._check_crossed(line)

    # -- deltas --------------------------------------------------------------------------------------------------------

    def _without_id(self, line: int, message: Message) -> None:
        if self.synced:
            self.book.delta(message.bids, message.asks)
            self._check_crossed(line)
        else:
            self._count_unverified(line)

    def _delta(self, held: _Held) -> None:
        rule = RULES[held.rule]
        chained = SequenceVerdict.ACCEPT if self.chain is None else rule(SequenceState(self.chain, True), held.ids)
        if chained not in (SequenceVerdict.ACCEPT, SequenceVerdict.DUPLICATE) and self._starts_session(held):
            return
        if not self.synced:
            self._out_of_sync(held, chained)
        elif self.at is None:
            self._apply(held)
        else:
            self._in_sync(held, chained, chained if self.at.bridged else rule(self.at, held.ids))
        if chained is SequenceVerdict.ACCEPT:
            self.late = None

    def _in_sync(self, held: _Held, chained: SequenceVerdict, verdict: SequenceVerdict) -> None:
        assert self.at is not None
        if not self.at.bridged and verdict in (SequenceVerdict.ACCEPT, SequenceVerdict.OLD):
            if chained in (SequenceVerdict.GAP, SequenceVerdict.RESTART) and not self.covered:
                self.counts.sessions += 1
                self.covered = True
            if verdict is SequenceVerdict.OLD:  # included in the snapshot
                if chained in (SequenceVerdict.REWIND, SequenceVerdict.DUPLICATE):
                    self._count_problem(_PROBLEM_NAMES[chained], held.line)
                else:
                    self.chain = held.ids.last_id
                return
        if verdict is SequenceVerdict.ACCEPT:
            self._apply(held)
        else:
            self._break(held, verdict)

    def _out_of_sync(self, held: _Held, chained: SequenceVerdict) -> None:
        self._count_unverified(held.line)
        if chained is SequenceVerdict.ACCEPT:
            self.chain = held.ids.last_id
            self.held.append(held)
            self.repeats.remember(held.ids, held.bids, held.asks)
        else:
            self._break(held, chained)

    def _break(self, held: _Held, verdict: SequenceVerdict) -> None:
        """A delta does not continue the ids; for one that is older than the book see `RepeatedDeltas`."""
        if verdict in BEHIND:
            if self.repeats.is_repeat(held.ids, held.bids, held.asks):
                self._count_problem("duplicates", held.line)
                return
            if self.repeats.is_harmless(held.rule, held.ids):
                self._count_problem(_PROBLEM_NAMES[verdict], held.line)
                return
        else:
            self._count_problem(_PROBLEM_NAMES[verdict], held.line)
        if self.synced:
            self.synced, self.at = False, None
            self.book.clear()
            self._count_unverified(held.line)
        self.repeats.forget()
        self.repeats.remember(held.ids, held.bids, held.asks)
        self.chain = held.ids.last_id
        self.held.clear()
        self.held.append(held)

    def _starts_session(self, held: _Held) -> bool:
        """Whether the delta continues the outdated snapshot instead of the book: a new session starts with it."""
        late = self.late
        if late is None:
            return False
        at = SequenceState(late.update_id, False)
        if RULES[held.rule](at, held.ids) is not SequenceVerdict.ACCEPT:
            return False
        self.synced = False
        self._install(held.line, late, at)
        self._apply(held)
        return True

    def _apply(self, held: _Held) -> None:
        self.book.delta(held.bids, held.asks)
        self.chain = held.ids.last_id
        self.at = SequenceState(held.ids.last_id, True)
        self.repeats.remember(held.ids, held.bids, held.asks)
        self._check_crossed(held.line)

    # -- counting ------------------------------------------------------------------------------------------------------

    def _check_crossed(self, line: int) -> None:
        if self.book.crossed:
            self._count_problem("crossed", line)

    def _count_unverified(self, line: int) -> None:
        self.counts.unverified += 1
        if not self.begun:
            self._count_problem("before_snapshot", line)

    def _count_problem(self, name: str, line: int) -> None:
        self.counts.troubles[name] += 1
        self.counts.first_line.setdefault(name, line)


def _rule_of(message: Message) -> str:
    """The strictest rule that the ids fit."""
    if message.update_id is None:
        return "none"
    if message.prev_update_id is not None:
        return "previous"
    return "contiguous" if message.first_update_id is None else "range"
