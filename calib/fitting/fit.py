"""The fit of a feed directory: `calib.fit`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from calib.fitting.bootstrap import SEED
from calib.fitting.document import head, name_of, tool, write_document
from calib.fitting.fill_model import HORIZONS_S
from calib.fitting.loading import KINDS, FitFeeds
from calib.fitting.options import FitOptions
from calib.fitting.study import SymbolStudy
from calib.fitting.verdict import DO_NOT_USE, NOT_ENOUGH_DATA
from calib.fitting.walk_forward import RateInUse

SCHEMA: Final = "calib.fit/1"
_JOIN_SUMS: Final = ("quotes", "used", "fills", "no_quote", "run_over", "exposure_dropped_s")


@dataclass(frozen=True, slots=True)
class FitResult:
    """A fit, with the content of its file.

    Parameters
    ----------
    document
        ``calib.fit/1``, see the reference page.
    """

    document: dict[str, Any]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row per symbol and side."""
        rows: list[dict[str, Any]] = self.document["fits"]
        return rows

    @property
    def name(self) -> str:
        """Name of the file without suffix."""
        return name_of("fit", self.document, _defaults())

    def count(self, verdict: str) -> int:
        """Number of rows with that verdict."""
        return sum(row["verdict"] == verdict for row in self.rows)

    def exit_code(self, *, strict: bool = False) -> int:
        """1 if a row has the verdict ``DO_NOT_USE``, or with ``strict`` ``NOT_ENOUGH_DATA``; else 0."""
        return int(self.count(DO_NOT_USE) > 0 or (strict and self.count(NOT_ENOUGH_DATA) > 0))

    def write(self, directory: Path) -> Path:
        """Write ``directory/fit_{from}_{to}.json``."""
        return write_document(self.document, directory, self.name)


def fit(
    feeds: Path | str,
    *,
    start: float | None = None,
    end: float | None = None,
    symbols: Sequence[str] = (),
    gamma: Sequence[float] = (),
    min_delta_bps: float = 0.0,
    max_mid_age_s: float = 5.0,
    level: float = 0.95,
    clock_shift_s: float | None = None,
    in_use: Path | str | None = None,
    max_reject_ratio: float = 0.01,
    out: Path | str | None = None,
    note: Callable[[str], None] = lambda _: None,
    progress: Callable[[float], None] = lambda _: None,
) -> FitResult:
    """Fit the fill rate as a function of distance, and derive quotes from it, for every symbol and side.

    Parameters
    ----------
    feeds
        Directory with the feed files: quotes, fills and book.
    start, end
        ``[start, end)``, Unix seconds; None: all days found. Quotes are selected by the time at which they closed.
    symbols
        Only these symbols; empty for all.
    gamma
        Risk aversions for which to compute quotes, 1/bps per unit of inventory (the median quantity of a quote); chosen
        by the user, not estimated.
    min_delta_bps, max_mid_age_s, level, clock_shift_s
        See `calib.fitting.options.FitOptions`.
    in_use
        The published calibration that is in use: the fit is also compared with it.
    max_reject_ratio
        Maximum fraction of bad lines per file, 0..1.
    out
        Directory in which ``rejects/`` is written; None: bad lines are only counted.
    note
        Receives notes for the user, one sentence at a time.

    Returns
    -------
    FitResult
        Equal files and parameters give equal results. A row that cannot be fitted has a verdict with reasons.

    Raises
    ------
    InputError
        A subclass: no feeds, nothing in the range, unknown symbols, damaged files.
    """
    directory = Path(feeds)
    if clock_shift_s is None and simulated(directory):
        clock_shift_s = 0.0
        note("simulated feeds: quotes are on the venue's clock, so their times are not shifted")
    options = FitOptions(
        level=level,
        min_delta_bps=min_delta_bps,
        max_mid_age_s=max_mid_age_s,
        gammas=tuple(gamma),
        clock_shift_s=clock_shift_s,
    )
    source = FitFeeds(
        directory,
        start,
        end,
        tuple(symbols),
        KINDS,
        out=None if out is None else Path(out),
        max_reject_ratio=max_reject_ratio,
        progress=progress,
    )
    published = _rates_in_use(in_use)
    loaded = source.load()
    joins: dict[str, dict[str, Any]] = {}
    rows: list[dict[str, Any]] = []
    units: dict[str, float] = {}
    for symbol in loaded:
        mine = published.get(symbol.symbol, {})
        study = SymbolStudy(symbol, source.span(), options, mine, has_fills=source.has("fills"))
        joins[symbol.symbol] = study.joins_json()
        if study.clock.shift_s:
            note(f"{symbol.symbol}: quotes are shifted by {-study.clock.shift_s:+.3f} s to the clock of the book")
        if len(symbol.quotes):
            units[symbol.symbol] = float(np.median(symbol.quotes.qty))
        rows += study.entries()
    names = [symbol.symbol for symbol in loaded]
    document = {
        **head(SCHEMA, source, names, _params(options, units)),
        "joins": _joins(joins),
        "fits": rows,
        "tool": tool(),
    }
    return FitResult(document)


def _params(options: FitOptions, units: Mapping[str, float]) -> dict[str, Any]:
    return {
        "unit": {"distance": "bps of the mid at the opening", "inventory": dict(units)},
        "level": options.level,
        "cluster_s": options.cluster_s,
        "min_delta_bps": options.min_delta_bps,
        "max_mid_age_s": options.max_mid_age_s,
        "gamma": list(options.gammas),
        "horizons_s": list(HORIZONS_S),
        "seed": SEED,
    }


def _defaults() -> dict[str, Any]:
    """The settings that the name of the file depends on; gamma only adds quotes and does not change the estimates."""
    return {key: value for key, value in _params(FitOptions(), {}).items() if key not in ("unit", "gamma")}


def _joins(by_symbol: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Sums over the symbols, and the counts of each symbol."""
    total: dict[str, Any] = {key: sum(one[key] for one in by_symbol.values()) for key in _JOIN_SUMS}
    for key in ("refused", "notes"):
        names = sorted({name for one in by_symbol.values() for name in one[key]})
        total[key] = {name: sum(one[key].get(name, 0) for one in by_symbol.values()) for name in names}
    for key in ("mid_source", "clock", "clock_shift_s"):
        found = {one[key] for one in by_symbol.values()}
        total[key] = found.pop() if len(found) == 1 else "by_symbol"
    order = ("quotes", "used", "refused", "notes", "fills", "no_quote", "run_over", "exposure_dropped_s")
    return {key: total[key] for key in (*order, "mid_source", "clock", "clock_shift_s")} | {
        "by_symbol": {name: dict(one) for name, one in by_symbol.items()}
    }


def simulated(directory: Path) -> bool:
    """Whether the feeds were written by `calib simulate`."""
    try:
        record = json.loads((directory / "simulation.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and record.get("schema") == "calib.simulation/1"


def _rates_in_use(path: Path | str | None) -> dict[str, dict[str, RateInUse]]:
    if path is None:
        return {}
    from calib.fitting.published import read_published, seconds

    found: dict[str, dict[str, RateInUse]] = {}
    body = read_published(Path(path))
    for row in body["rows"]:
        if row["A_per_s"] and row["k_per_bps"]:
            rate = RateInUse(row["A_per_s"]["est"], row["k_per_bps"]["est"], seconds(body["valid_from"]))
            found.setdefault(row["symbol"], {})[row["side"]] = rate
    return found
