"""Compare a log of fills with the venue's fills, in bounded memory."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

import orjson

from calib.feeds.schema.table import FILLS
from calib.feeds.schema.validation import judge_record
from calib.importers.base import SHOWN as SHOWN_TEXT
from calib.importers.base import Imported, Rejected
from calib.importers.spill import Scratch, Sorted

FIELDS: Final = ("side", "price", "qty", "fee_bps")
"""Fields that must agree; the fee only if both fills have one."""
SHOWN: Final = 5
"""Number of fills that are kept of each finding."""
_KEPT: Final = ("ts", "ts_exchange", "symbol", "trade_id", *FIELDS)
_REL: Final = 1e-9
_FEE_BPS: Final = 1e-6
_PLACE: Final = struct.Struct(">BQ")
"""Source of a fill and its position there: the venue's fills sort first, and each source keeps its order."""
_LENGTH: Final = struct.Struct(">I")
_VENUE, _LOG = 0, 1
FINDINGS: Final = ("missing", "extra", "twice", "differs")
"""Missing from the log; not known to the venue; logged twice; different at the venue."""


@dataclass(slots=True)
class FillsFinding:
    """Fills with one kind of difference: number, notional, and the first `SHOWN` of them in the order of the source."""

    count: int = 0
    notional: float = 0.0
    first: list[dict[str, Any]] = field(default_factory=list)
    _places: list[int] = field(default_factory=list)

    def add(self, place: int, fill: dict[str, Any], **more: Any) -> None:
        self.count += 1
        self.notional += fill["price"] * fill["qty"]
        at = sum(known < place for known in self._places)
        if at < SHOWN:
            named = ("ts", "symbol", "trade_id", *FIELDS)
            self._places[at:] = [place, *self._places[at : SHOWN - 1]]
            self.first[at:] = [{name: fill.get(name) for name in named} | more, *self.first[at : SHOWN - 1]]


@dataclass(slots=True)
class Reconciled:
    """The result of a comparison.

    Parameters
    ----------
    venue, logged
        Number of fills of the venue, and of the log between the venue's first and last. A repeated fill counts once.
    without_id
        Number of fills of both sources without a ``trade_id``, which cannot be compared.
    findings
        The differences, by the names in `FINDINGS`.
    """

    venue: int = 0
    logged: int = 0
    without_id: int = 0
    findings: dict[str, FillsFinding] = field(default_factory=lambda: {name: FillsFinding() for name in FINDINGS})

    @property
    def share(self) -> float:
        """Number of differences per fill of the venue; infinite if the venue has no fill that can be compared."""
        found = sum(finding.count for finding in self.findings.values())
        return found / self.venue if self.venue else math.inf


@dataclass(slots=True)
class _Covered:
    """The symbols and the range of times of the venue's fills; other fills of the log are not compared."""

    first: float = math.inf
    last: float = -math.inf
    symbols: set[str] = field(default_factory=set)

    def take(self, fill: dict[str, Any]) -> bool:
        moment = _time(fill)
        self.first, self.last = min(self.first, moment), max(self.last, moment)
        self.symbols.add(fill["symbol"])
        return True

    def __contains__(self, fill: dict[str, Any]) -> bool:
        return fill["symbol"] in self.symbols and self.first <= _time(fill) <= self.last


_Placed = tuple[int, dict[str, Any]]
"""Position of a fill in its source, and the fill."""


def reconcile(
    venue: Iterable[dict[str, Any]], log: Iterable[dict[str, Any]], scratch: Scratch | None = None
) -> Reconciled:
    """Compare fills by (symbol, trade_id), for the symbols and the range of times of the venue's fills.

    The time of a fill is that of the venue if it has one. Prices and quantities agree within a relative difference of
    1e-9, fees within 1e-6 bps. Several fills may have the same id, such as both sides of a self-trade. Each of them is
    compared with one fill of the other source.

    Parameters
    ----------
    scratch
        Storage in which the fills are sorted, so that they need not fit into memory; None for one that holds 64 MiB.
    """
    if scratch is None:
        with Scratch() as own:
            return reconcile(venue, log, own)
    found, covered, fills = Reconciled(), _Covered(), scratch.sorted()
    _put(fills, _VENUE, venue, found, covered.take)
    _put(fills, _LOG, log, found, lambda fill: fill["symbol"] in covered.symbols)
    for _, same_id in groupby(fills, lambda entry: entry[: _LENGTH.size + _LENGTH.unpack_from(entry)[0]]):
        sides: tuple[list[_Placed], list[_Placed]] = [], []
        for entry in same_id:
            end = _LENGTH.size + _LENGTH.unpack_from(entry)[0]
            side, place = _PLACE.unpack_from(entry, end)
            sides[side].append((place, orjson.loads(entry[end + _PLACE.size :])))
        _compare(*sides, covered, found)
    fills.clear()
    return found


def checked(row: Imported | Rejected) -> Imported | Rejected:
    """Return the row of the venue's file, or a reject if the feed's schema refuses its record, as in an import."""
    if isinstance(row, Rejected) or (fault := judge_record(FILLS, row.record)) is None:
        return row
    return Rejected(row.line, fault.reason.value, fault.field, str(row.record)[:SHOWN_TEXT], what=fault.what)


def _put(
    fills: Sorted,
    side: int,
    some: Iterable[dict[str, Any]],
    found: Reconciled,
    wanted: Callable[[dict[str, Any]], bool],
) -> None:
    """Add the fills of one source to the sorted fills, by id and then by position in the source."""
    for place, fill in enumerate(some):
        if not fill.get("trade_id"):
            found.without_id += 1
        elif wanted(fill):
            name = f"{fill['symbol']}\0{fill['trade_id']}".encode()
            kept = orjson.dumps({field: fill.get(field) for field in _KEPT})
            fills.add(_LENGTH.pack(len(name)) + name + _PLACE.pack(side, place) + kept)


def _compare(theirs: Sequence[_Placed], ours: Sequence[_Placed], covered: _Covered, found: Reconciled) -> None:
    """Compare the fills of one id: pair the fills of both sources, first those that agree in all fields."""
    theirs = list(_distinct(theirs))
    found.venue += len(theirs)
    ours = [(place, fill) for place, fill in ours if theirs or fill in covered]
    once = list(_distinct(ours))
    found.logged += len(once)
    counted = {place for place, _ in once}
    for place, fill in ours:
        if place not in counted:
            found.findings["twice"].add(place, fill)
    pairs, left = _paired(theirs, once)
    for place, fill in once:
        if place not in pairs:
            found.findings["extra"].add(place, fill)
        elif differing := _differing(pairs[place], fill):
            found.findings["differs"].add(place, fill, venue={name: pairs[place].get(name) for name in differing})
    for place, fill in left:
        found.findings["missing"].add(place, fill)


def _paired(theirs: Sequence[_Placed], ours: Sequence[_Placed]) -> tuple[dict[int, dict[str, Any]], list[_Placed]]:
    """Return the venue's fill for the position of each paired fill of the log, and the unpaired fills of the venue."""
    pairs: dict[int, dict[str, Any]] = {}
    left = list(theirs)
    for alike in (_agrees, _same_side, _anything):
        for place, fill in ours:
            at = next((n for n, (_, one) in enumerate(left) if place not in pairs and alike(one, fill)), None)
            if at is not None:
                pairs[place] = left.pop(at)[1]
    return pairs, left


def _distinct(fills: Iterable[_Placed]) -> Iterator[_Placed]:
    """Yield the fills without those that have the same side, price and quantity as an earlier one."""
    known: set[tuple[str, float, float]] = set()
    for place, fill in fills:
        trade = fill["side"], fill["price"], fill["qty"]
        if trade not in known:
            known.add(trade)
            yield place, fill


def _agrees(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return not _differing(one, other)


def _same_side(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(one["side"] == other["side"])


def _anything(_one: dict[str, Any], _other: dict[str, Any]) -> bool:
    return True


def _time(fill: dict[str, Any]) -> float:
    exchange = fill.get("ts_exchange")
    return float(fill["ts"] if exchange is None else exchange)


def _differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    names = [name for name in ("price", "qty") if not math.isclose(one[name], other[name], rel_tol=_REL)]
    fee, logged = one.get("fee_bps"), other.get("fee_bps")
    if fee is not None and logged is not None and abs(fee - logged) > _FEE_BPS:
        names.append("fee_bps")
    return [*(["side"] if one["side"] != other["side"] else []), *names]
