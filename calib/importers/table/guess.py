"""Propose a mapping for an unknown table, with a reason for each line."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from calib.errors import NotThisFormat
from calib.feeds.schema.table import FEEDS
from calib.importers.base import ROW_FAULTS, BadRow
from calib.importers.table.conversions import key_of
from calib.importers.table.mapping import TableMapping, mapping_of
from calib.importers.table.paths import value_at
from calib.importers.table.readers.opening import opened_rows
from calib.importers.table.records import Converter
from calib.importers.table.times import is_iso, unit_of

SAMPLED_ROWS: Final = 1000
"""Most rows that are read."""
_SHOWN: Final = 3
_MAX_DEPTH: Final = 3
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "ts": ("ts", "time", "timestamp", "exectime", "filltime", "datetime", "date", "tradetime", "createdat", "t"),
    "symbol": ("symbol", "instid", "pair", "market", "instrument", "ticker", "coinpair", "tradingpair", "s"),
    "side": ("side", "isbuyer", "tradetype", "direction", "action", "buysell", "ordside", "orderside"),
    "price": ("price", "px", "fillpx", "execprice", "fillprice", "avgprice", "average", "p", "rate"),
    "qty": ("qty", "quantity", "amount", "size", "fillsz", "execqty", "filled", "fillqty", "amt", "sz", "q", "volume"),
    "liquidity": ("liquidity", "ismaker", "maker", "takerormaker", "exectype", "role", "makertaker", "liquidityrole"),
    "trade_id": ("tradeid", "id", "execid", "fillid", "exchangetradeid", "tid"),
    "order_id": ("orderid", "ordid", "order", "oid"),
    "mid_at_quote": ("midatquote",),
    "mid_now": ("midnow", "mid", "midprice"),
    "fee_bps": ("feebps",),
}
"""Field -> names of its column, in lower case without punctuation, the most certain first."""
_FEES: Final = ("fee", "commission", "execfee", "fees", "feecost", "feeamount", "tradefee")
_FEE_ASSETS: Final = (
    "feecurrency", "commissionasset", "feeasset", "feeccy", "feecoin", "feetoken", "commissioncurrency",
)  # fmt: skip
_SIDES: Final = {"buy": "buy", "b": "buy", "bid": "buy", "long": "buy", "true": "buy",
                 "sell": "sell", "s": "sell", "ask": "sell", "short": "sell", "false": "sell"}  # fmt: skip
_LIQUIDITY: Final = {"maker": "maker", "m": "maker", "true": "maker", "add": "maker",
                     "added": "maker", "taker": "taker", "t": "taker", "false": "taker", "remove": "taker",
                     "removed": "taker"}  # fmt: skip
_COSTS: Final = {
    "mid_at_quote": "no mid at the quote: slip_bps cannot be checked",
    "mid_now": "no mid at the fill: no net_bps",
    "fee_bps": "no fee: net_bps needs one",
    "trade_id": "no trade id: a fill that is logged twice counts twice",
    "quote_id": "no quote id: fills cannot be joined to quotes",
}
"""Optional field -> what cannot be computed without it."""


@dataclass(slots=True)
class Guess:
    """A proposed mapping, and the result of applying it to the rows.

    Parameters
    ----------
    lines
        The YAML, with the reason for each line as a comment.
    missing
        Fields without a column, and what cannot be computed without them.
    records
        The first three converted records; fewer if fewer rows can be converted.
    rejected
        Number of sampled rows that cannot be converted.
    """

    form: str
    rows: int
    lines: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    rejected: int = 0


def guess(path: Path, *, path_inside: str = "", table: str = "", kind: str = "fills") -> Guess:
    """Propose a mapping from the first `SAMPLED_ROWS` rows.

    Raises
    ------
    NotThisFormat
        If the file is not a table, or has no intact row.
    """
    where = TableMapping(kind, path=path_inside, table=table)
    with opened_rows(path, where) as opened:
        seen = [row.values for row in itertools.islice(opened.rows, SAMPLED_ROWS) if row.bad is None]
        form, texts = opened.form, opened.texts
    if not seen:
        raise NotThisFormat("has no row that can be read", where=str(path), hint="Give a table with a header and rows")
    proposal = _Proposal(seen, texts, kind)
    found = Guess(form, len(seen))
    found.lines = [f"kind: {kind}"]
    found.lines += [f"{word}: {_quoted(value)}" for word, value in (("path", path_inside), ("table", table)) if value]
    found.lines += proposal.lines()
    found.missing = proposal.missing()
    if not proposal.unfilled:
        _convert(found, seen, texts)
    return found


def _convert(found: Guess, seen: Sequence[Mapping[str, Any]], texts: bool) -> None:
    import yaml

    converter = Converter(mapping_of(yaml.safe_load("\n".join(found.lines)), "the proposal"), texts=texts)
    for row in seen:
        try:
            record = converter.record(row)
        except (BadRow, *ROW_FAULTS):
            found.rejected += 1
        else:
            if len(found.records) < _SHOWN:
                found.records.append(record)


def costs_of(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the fields that fills lack, and what cannot be computed without them."""
    if not records or "liquidity" not in records[0]:
        return []
    return [f"{name}: {cost}" for name, cost in _COSTS.items() if not any(name in record for record in records)]


def _folded(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _columns(row: Mapping[str, Any], before: str = "", depth: int = _MAX_DEPTH) -> list[str]:
    found: list[str] = []
    for name, value in row.items():
        where = f"{before}.{name}" if before else str(name)
        found += _columns(value, where, depth - 1) if isinstance(value, dict) and depth else [where]
    return found


class _Proposal:
    """Matches the columns of the rows to fields by name."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], texts: bool, kind: str) -> None:
        self._rows, self._texts, self._kind = rows, texts, kind
        self._columns = list(dict.fromkeys(name for row in rows[:50] for name in _columns(row)))
        self._names = {name.name for name in FEEDS[kind].fields}
        self._used: dict[str, str] = {}
        for name, known in _NAMES.items():
            if name in self._names and (column := self._find((_folded(name), *known))):
                self._used[name] = column
        self.unfilled: list[str] = []

    def lines(self) -> list[str]:
        """Return the mapping in YAML, from ``map:``."""
        mapped = [self._line(name, column) for name, column in self._used.items()]
        required = [name.name for name in FEEDS[self._kind].fields if name.required]
        self.unfilled = [name for name in required if name not in self._used]
        constants = [f"  # {name}: VALUE  # no matching column was found" for name in self.unfilled]
        return ["map:", *mapped, *(["set:", *constants] if constants else []), *self._fee()]

    def missing(self) -> list[str]:
        """Return the fields without a column, each with what to do or what cannot be computed."""
        has_fee = bool(self._find(_FEES)) and bool(self._find(_FEE_ASSETS))
        lacks = [f"{name}: required; add --map {name}=... or --set {name}=..." for name in self.unfilled]
        for name, cost in _COSTS.items():
            if name in self._names and name not in self._used and not (name == "fee_bps" and has_fee):
                lacks.append(f"{name}: {cost}")
        return lacks

    def _find(self, known: Sequence[str]) -> str:
        free = [name for name in self._columns if name not in self._used.values()]
        for word in known:
            for name in free:
                if word in (_folded(name), _folded(name.rpartition(".")[2]) if len(word) > 2 else ""):
                    return name
        return ""

    def _values(self, column: str) -> list[Any]:
        return [value for row in self._rows if (value := value_at(row, column)) is not None]

    def _line(self, name: str, column: str) -> str:
        values = self._values(column)
        if name == "ts":
            source, reason = self._time(column, values)
        elif name in ("side", "liquidity"):
            return self._enum(name, column, values)
        elif name in ("trade_id", "order_id"):
            source, reason = _as_source(column), "its name"
        elif name == "symbol":
            source, reason = _as_source(column), "its name; the symbols stay as they are"
        else:
            numbers = any(isinstance(value, str) for value in values) and not self._texts
            source = f"{_as_source(column)}:number" if numbers else _as_source(column)
            reason = "its name; its numbers are texts" if numbers else "its name"
        return f"  {name}: {_quoted(source)}  # {reason}"

    def _time(self, column: str, values: Sequence[Any]) -> tuple[str, str]:
        first = values[0] if values else None
        if is_iso(first):
            zone = (
                ""
                if str(first).strip()[-1:] in "Zz" or "+" in str(first)[10:]
                else ", read as UTC as it has no time zone"
            )
            return f"{_as_source(column)}:iso", f"{str(first)[:30]} is a date and time{zone}"
        try:
            unit = unit_of(float(first)) if first is not None else ""
        except (TypeError, ValueError):
            return _as_source(column), "its name"
        return (
            (f"{_as_source(column)}:{unit}", f"{first} is {unit} since 1970")
            if unit
            else (_as_source(column), "its name")
        )

    def _enum(self, name: str, column: str, values: Sequence[Any]) -> str:
        known = _SIDES if name == "side" else _LIQUIDITY
        keys = sorted({key_of(value) for value in values})[:20]
        if "seller" in _folded(column) or _folded(column).removeprefix("is") == "taker":
            known = {**known, "true": {"side": "sell"}.get(name, "taker"), "false": {"side": "buy"}.get(name, "maker")}
        pairs = [(key, known[key.casefold()]) for key in keys if key.casefold() in known]
        if not pairs:
            return f"  {name}: {_quoted(_as_source(column))}  # its name; map its values {', '.join(keys[:5])[:60]}"
        unknown = [key for key in keys if key.casefold() not in known]
        more = f"; unknown: {', '.join(unknown[:5])[:60]}" if unknown else ""
        inside = ", ".join(f"{_quoted(key)}: {value}" for key, value in pairs)
        return f"  {name}: {{from: {_quoted(_as_source(column))}, as: {{{inside}}}}}  # its values{more}"

    def _fee(self) -> list[str]:
        if self._kind != "fills" or "fee_bps" in self._used:
            return []
        amount, asset = self._find(_FEES), self._find(_FEE_ASSETS)
        if amount and asset:
            reason = "their names; paid fees are assumed positive, add sign: -1 if they are negative"
            return [f"fee: {{amount: {_quoted(amount)}, asset: {_quoted(asset)}}}  # {reason}"]
        if amount:
            return [f"# fee_bps: {amount} has no asset column; --map 'fee_bps={amount}/(price*qty):bps' if it is quote"]
        return []


def _as_source(column: str) -> str:
    return f'"{column}"' if set(column) & set(":()*/+") or column.startswith("-") or " - " in column else column


def _quoted(text: str) -> str:
    """Return the text as a YAML scalar in single quotes."""
    return "'" + text.replace("'", "''") + "'"
