"""Audits of recorded books and trades for `calib check`, and the text of their findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

from calib.feeds.reading import trade_audit
from calib.feeds.reading.days import DayFile
from calib.recorded import book_audit
from calib.storage import Place
from calib.words import counted

_SHOWN: Final = 5
"""Symbols listed per trouble, the worst first."""
_NONE: Final = {"gaps": "no gap", "rewinds": "no rewind", "duplicates": "no duplicate", "crossed": "never crossed"}
_WORDS: Final = {"before_snapshot": "pre-snapshot", "late_snapshots": "late snapshot", "out_of_order": "out of order"}
_AUDITS: Final = ("book", "trades")


class Audits:
    """The audits of all files of one run. Ids continue from one day's file to the next in the same directory."""

    def __init__(self, files: Sequence[DayFile]) -> None:
        self._files = files
        self._audits: dict[tuple[Place, str], Any] = {}
        self._found: dict[Place, Sequence[Any]] = {}
        self._books: dict[tuple[Place, str], list[int]] = {}
        """By directory and symbol: lines, bad lines, sessions."""

    def watch(self, file: DayFile) -> Callable[[int, Any], None] | None:
        """Return the function that audits the lines of the file; None if no audit applies."""
        if file.kind not in _AUDITS:
            return None
        # Two directories may contain the same symbol of two venues, whose ids are unrelated.
        key = file.path.parent, file.kind
        if key not in self._audits:
            self._audits[key] = self._audit(*key)
        watch: Callable[[int, Any], None] = self._audits[key].see
        return watch

    def finish(self, file: DayFile) -> None:
        """Collect the findings of a file that was read to its end."""
        if (audit := self._audits.get((file.path.parent, file.kind))) is not None:
            self._found[file.path] = audit.finish_file()
        if file.kind == "book":
            for facts in self._found[file.path]:
                totals = self._books.setdefault((file.path.parent, facts.symbol), [0, 0, 0])
                for place, count in enumerate((facts.lines, facts.bad_lines, facts.sessions)):
                    totals[place] += count

    def books(self) -> Iterator[tuple[Place, str, int, int, bool]]:
        """Yield each recorded book over all files: directory, symbol, lines, bad lines, whether it was ever known."""
        for (directory, symbol), (lines, bad, sessions) in sorted(self._books.items()):
            yield directory, symbol, lines, bad, sessions > 0

    def _audit(self, directory: Place, kind: str) -> Any:
        if kind == "trades":
            return trade_audit.TradeAudit()
        from calib.recorded.origins import DeltaSymbols

        books = [file for file in self._files if file.kind == kind and file.path.parent == directory]
        return book_audit.BookAudit(DeltaSymbols(books))

    def as_data(self, file: DayFile) -> dict[str, Any]:
        """Return the file's part of the JSON report: ``book`` or ``trades``, one entry per symbol."""
        found = self._found.get(file.path)
        return {} if found is None else {file.kind: [_data(file.kind, facts) for facts in found]}

    def describe(self, file: DayFile) -> list[str]:
        """Return the file's lines of the text report."""
        found = self._found.get(file.path)
        if not found:
            return []
        return _book(found) if file.kind == "book" else _trades(found)


def _data(kind: str, facts: Any) -> dict[str, Any]:
    """Return all facts, with a count for every trouble."""
    names = book_audit.TROUBLES if kind == "book" else trade_audit.TROUBLES
    plain = asdict(facts)
    if kind == "book":
        plain["bad_lines"] = facts.bad_lines
    counts = {name: facts.troubles.get(name, 0) for name in names}
    del plain["troubles"], plain["first_line"]
    return plain | counts | {"first_line": facts.first_line}


def _book(found: Sequence[book_audit.BookFacts]) -> list[str]:
    rules: Counter[str] = Counter()
    for facts in found:
        rules.update(facts.rules)
    snapshots, deltas = sum(facts.snapshots for facts in found), sum(facts.deltas for facts in found)
    used = ", ".join(f"{rule} ({count})" if len(rules) > 1 else rule for rule, count in sorted(rules.items()))
    sessions, unverified = sum(facts.sessions for facts in found), sum(facts.unverified for facts in found)
    messages = f"{counted(snapshots, 'snapshot')}, {counted(deltas, 'delta')} by id rule {used or 'none'}"
    lines = [
        f"  {'book':<14} {messages}; {counted(sessions, 'session')} begun, {counted(unverified, 'delta')} in no book",
        _absent(found, ("gaps", "rewinds", "duplicates", "crossed")),
    ]
    return [line for line in lines if line] + _troubles(found, book_audit.TROUBLES)


def _trades(found: Sequence[trade_audit.TradeFacts]) -> list[str]:
    without = sum(facts.without_id for facts in found)
    total = sum(facts.trades for facts in found)
    ids = f"  {'trade ids':<14} {total - without} of {counted(total, 'line')} have one"
    # Lines without an id cannot be checked.
    lines = [ids, _absent(found, ("gaps", "duplicates", "rewinds"))] if without < total else [ids]
    if missing := sum(facts.missing_ids for facts in found):
        lines.append(f"  {'':<14} {counted(missing, 'id')} missing in the gaps: trades that were not recorded")
    return [line for line in lines if line] + _troubles(found, trade_audit.TROUBLES)


def _absent(found: Sequence[Any], names: Sequence[str]) -> str:
    """Return the line of the troubles that were not found."""
    none = [name for name in names if not any(facts.troubles.get(name) for facts in found)]
    return f"  {'':<14} {', '.join(_NONE[name] for name in none)}" if none else ""


def _troubles(found: Sequence[Any], names: Sequence[str]) -> list[str]:
    """Return one line per trouble with the symbols that have the most of it."""
    lines = []
    for name in names:
        worst = sorted(
            (facts for facts in found if facts.troubles.get(name)),
            key=lambda facts: (-facts.troubles[name], facts.symbol),
        )
        if not worst:
            continue
        listed = [
            f"{facts.symbol} {facts.troubles[name]} (first at line {facts.first_line[name]})"
            for facts in worst[:_SHOWN]
        ]
        more = [f"{counted(len(worst) - _SHOWN, 'symbol')} more"] if len(worst) > _SHOWN else []
        lines.append(f"  {_WORDS.get(name, name):<14} {', '.join(listed + more)}")
    return lines
