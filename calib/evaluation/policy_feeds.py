"""The feeds of an assessment: counts of reads, and for each fill whether its quote used a stale book."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from calib.dataset.markouts import BookMarkouts
from calib.errors import NoFeeds, NoLines, NoSuchSymbol
from calib.evaluation.policy_assessment import PolicyAssessment, ReadFigures, assess
from calib.feeds.contracts import Contracts
from calib.feeds.reading.batches import read_batches, read_records, within
from calib.feeds.reading.days import DayFile, find_days, is_newest, newest_days
from calib.feeds.reading.rejects import check_ratio, rejects_path, rejects_to
from calib.feeds.reading.stats import FileStats
from calib.feeds.settings import MAX_REJECT_RATIO

DAY_S: Final = 86_400
TICK_SLACK_S: Final = 0.002
"""Tolerance for a quote stamped after the end of its tick, s."""
_FILLS: Final = (
    "ts",
    "symbol",
    "side",
    "price",
    "qty",
    "liquidity",
    "quote_price",
    "mid_at_quote",
    "mid_now",
    "slip_bps",
    "fee_bps",
    "ts_quote",
    "quote_id",
    "used_stale",
    "ts_exchange",
)
_QUOTES: Final = ("ts_open", "symbol", "quote_id", "used_stale")
_TICKS: Final = ("ts", "symbol", "tick_total_ms", "used_stale", "sample_rate")
_COLUMNS: Final = {"fills": _FILLS, "pipeline_ticks": _TICKS, "quotes": _QUOTES}


@dataclass(frozen=True, slots=True)
class AssessmentFeeds:
    """The feeds of an assessment.

    Parameters
    ----------
    directory
        Directory of the feeds.
    start, end
        The range [start, end) in Unix seconds; None where that side is open.
    symbols
        The symbols to read; empty for all.
    out
        The root below which rejects are written; None writes none.
    tick_sample_rate
        Number of ticks that a line without ``sample_rate`` represents.
    max_reject_ratio
        See `calib.feeds.reading.rejects.check_ratio`.
    """

    directory: Path
    start: float | None = None
    end: float | None = None
    symbols: tuple[str, ...] = ()
    out: Path | None = None
    tick_sample_rate: int = 10
    max_reject_ratio: float = MAX_REJECT_RATIO

    def assess(
        self, *, maker_fee_bps: float, taker_fee_bps: float, contracts: Contracts | None = None
    ) -> tuple[PolicyAssessment, list[FileStats]]:
        """Read the feeds once and assess them.

        Raises
        ------
        NoFeeds, NoLines, NoSuchSymbol, TooManyRejects
            If there is nothing to assess, or a file has more rejects than tolerated.
        """
        days = find_days(self.directory, list(_COLUMNS))
        stats: list[FileStats] = []
        fills = self._frame(days, "fills", stats, self.start, self.end)
        quotes = self._frame(days, "quotes", stats, *self._around()) if fills.height else pl.DataFrame()
        fills = _with_quotes(fills, quotes)
        asked = fills.filter(pl.col("stale").is_null() & pl.col("quoted").is_not_null()) if fills.height else fills
        reads, joined = self._ticks(days, asked, stats)
        if not fills.height and not reads:
            raise self._nothing(stats)
        rows = _classified(fills, joined)
        fees = {"maker_fee_bps": maker_fee_bps, "taker_fee_bps": taker_fee_bps}
        return assess(reads, rows, **fees, contracts=contracts), stats

    def span(self) -> tuple[float, float]:
        """Return the range; an open side is replaced by the first or last existing day of fills and ticks."""
        days = find_days(self.directory, ["fills", "pipeline_ticks"])
        firsts = [file.first_ts for file in days]
        start = min(firsts) if self.start is None else self.start
        return start, max(firsts) + DAY_S if self.end is None else self.end

    def _ticks(
        self, days: Sequence[DayFile], asked: pl.DataFrame, stats: list[FileStats]
    ) -> tuple[dict[str, ReadFigures], dict[int, bool | None]]:
        """Return reads by symbol, and ``used_stale`` of the quoting tick by row of the fills in ``asked``.

        Only one day of ticks is in memory at a time.
        """
        reads: dict[str, ReadFigures] = {}
        joined: dict[int, bool | None] = {}
        # A quote may be older than the range, so the day of its tick is read too.
        quoted = {int(ts // DAY_S) for ts in asked["quoted"]} if asked.height else set()
        for file in days:
            quotes_here = int(file.first_ts // DAY_S) in quoted
            if file.kind != "pipeline_ticks" or not (quotes_here or file.touches(self.start, self.end)):
                continue
            frame = self._read(file, newest=file in newest_days(days), stats=stats)
            if not frame.height:
                continue
            for symbol, figures in _reads(frame.filter(within(self.start, self.end)), self.tick_sample_rate).items():
                reads[symbol] = reads.get(symbol, ReadFigures()).plus(figures)
            if asked.height:
                joined |= _quoting_ticks(asked, frame)
        return reads, joined

    def _frame(
        self, days: Sequence[DayFile], kind: str, stats: list[FileStats], start: float | None, end: float | None
    ) -> pl.DataFrame:
        """Return all lines of a kind within a range, in the order of files and lines; fills with their markouts."""
        frames, markouts = [], self._books(stats)
        for file in days:
            if file.kind != kind or not file.touches(start, end):
                continue
            frame = self._read(file, newest=file in newest_days(days), stats=stats)
            if frame.height and kind == "fills":
                frame = markouts.add(frame.filter(within(start, end)), file.first_ts)
            if frame.height:
                frames.append(frame)
        return pl.concat(frames) if frames else pl.DataFrame()

    def _books(self, stats: list[FileStats]) -> BookMarkouts:
        """Return the source of the fills' markouts; without a book feed they are null."""

        @contextlib.contextmanager
        def read(file: DayFile) -> Iterator[Iterator[Any]]:
            reading = read_records(file, newest=is_newest(file))
            yield (record for _, record in reading)
            stats.append(reading.stats)
            check_ratio(reading.stats, self.max_reject_ratio)

        try:
            return BookMarkouts(find_days(self.directory, ["book"]), read)
        except NoFeeds:
            return BookMarkouts((), read)

    def _read(self, file: DayFile, *, newest: bool, stats: list[FileStats]) -> pl.DataFrame:
        columns = _COLUMNS[file.kind]
        with rejects_to(None if self.out is None else rejects_path(self.out, file.name)) as rejects:
            reading = read_batches(file, columns, newest=newest, rejects=rejects)
            frames = list(reading)
        stats.append(reading.stats)
        check_ratio(reading.stats, self.max_reject_ratio)
        frame = pl.concat(frames) if frames else pl.DataFrame()
        if self.symbols and frame.height:
            frame = frame.filter(pl.col("symbol").is_in(list(self.symbols)))
        return frame

    def _around(self) -> tuple[float | None, float | None]:
        """Return the range extended by a day on either side: a quote may be in another day's file than its fills."""
        return None if self.start is None else self.start - DAY_S, None if self.end is None else self.end + DAY_S

    def _nothing(self, stats: Sequence[FileStats]) -> NoLines | NoSuchSymbol:
        if self.symbols and any(one.used for one in stats):
            return NoSuchSymbol(
                f"no line of {', '.join(self.symbols[:5])} in the range", hint="Check --symbols and the range"
            )
        return NoLines("the feeds have no usable line in the range", hint="Check --from and --to, or --feeds")


def _with_quotes(fills: pl.DataFrame, quotes: pl.DataFrame) -> pl.DataFrame:
    """Return the fills with ``stale``, its ``source`` (the fill, else its quote) and ``quoted``, the quote's time."""
    if not fills.height:
        return fills
    if quotes.height:
        # A quote_id is unique only within a symbol.
        known = quotes.filter(pl.col("quote_id").is_not_null()).unique(["symbol", "quote_id"], keep="first")
        known = known.select("symbol", "quote_id", "ts_open", pl.col("used_stale").alias("quote_stale"))
        fills = fills.join(known, on=["symbol", "quote_id"], how="left", maintain_order="left")
    else:
        nothing = (pl.lit(None, pl.Float64).alias("ts_open"), pl.lit(None, pl.Boolean).alias("quote_stale"))
        fills = fills.with_columns(*nothing)
    return fills.with_columns(
        pl.coalesce("used_stale", "quote_stale").alias("stale"),
        pl.when(pl.col("used_stale").is_not_null()).then(pl.lit("fill")).otherwise(pl.lit("quote")).alias("source"),
        pl.coalesce("ts_quote", "ts_open").alias("quoted"),
    ).with_row_index("row")


def _reads(ticks: pl.DataFrame, sample_rate: int) -> dict[str, ReadFigures]:
    rate = pl.col("sample_rate").fill_null(sample_rate)
    stale = pl.col("used_stale").fill_null(value=False)
    figures = ticks.group_by("symbol").agg(
        pl.len().alias("lines"),
        rate.sum().alias("ticks"),
        stale.sum().alias("stale_lines"),
        rate.filter(stale).sum().alias("stale_ticks"),
        pl.col("used_stale").null_count().alias("unknown_lines"),
        (rate > 1).sum().alias("sampled_lines"),
    )
    return {symbol: ReadFigures(*map(int, rest)) for symbol, *rest in figures.iter_rows()}


def _quoting_ticks(asked: pl.DataFrame, ticks: pl.DataFrame) -> dict[int, bool | None]:
    """Return ``used_stale`` of each quoting tick: the symbol's last tick before the quote, if it was still running."""
    left = asked.select("row", "symbol", "quoted").sort("quoted", maintain_order=True)
    right = ticks.select("symbol", "ts", "tick_total_ms", pl.col("used_stale").alias("tick_stale"))
    right = right.sort("ts", maintain_order=True)
    found = left.join_asof(
        right, left_on="quoted", right_on="ts", by="symbol", strategy="backward", check_sortedness=False
    ).filter(pl.col("quoted") <= pl.col("ts") + pl.col("tick_total_ms") / 1000 + TICK_SLACK_S)
    return dict(found.select("row", "tick_stale").iter_rows())


def _classified(
    fills: pl.DataFrame, joined: Mapping[int, bool | None]
) -> Iterator[tuple[Mapping[str, Any], bool | None, str]]:
    for line in fills.iter_rows(named=True) if fills.height else ():
        if line["stale"] is not None:
            yield line, line["stale"], line["source"]
        elif line["quoted"] is None:
            yield line, None, "no_quote_time"
        else:
            stale = joined.get(line["row"])
            reason = "tick_unknown" if line["row"] in joined else "no_tick"
            yield line, stale, reason if stale is None else "tick"
