"""Fills to quotes: every refusal counted, the traps of joining by their names."""

from __future__ import annotations

from typing import Any

import numpy as np

from calib.fitting.joins import Joined, join_quotes, one_clock
from calib.fitting.rows import FillRows, QuoteRows

NAN = float("nan")


def quote_rows(*rows: dict[str, Any]) -> QuoteRows:
    base = {"id": "q", "sign": 1.0, "open": 0.0, "close": 10.0, "reason": "cancelled", "filled": 0.0, "price": 99.0}
    full = [base | row for row in rows]
    n = len(full)

    def column(key: str) -> Any:
        return np.array([row[key] for row in full], float)

    nothing = np.full(n, NAN)
    return QuoteRows(
        ts=column("close"),
        ts_open=column("open"),
        ts_close=column("close"),
        sign=column("sign"),
        price=column("price"),
        qty=np.ones(n),
        qty_filled=column("filled"),
        queue_ahead_open=np.zeros(n),
        mid_open=nothing,
        used_stale=nothing,
        cache_age_ms=nothing,
        close_reason=[str(row["reason"]) for row in full],
        quote_id=[str(row["id"]) for row in full],
    )


def fill_rows(*rows: tuple[str | None, float, float, bool]) -> FillRows:
    """(quote id, time, sign, maker)."""
    n = len(rows)
    nothing = np.full(n, NAN)
    times = np.array([row[1] for row in rows], float)
    return FillRows(
        ts=times,
        ts_exchange=nothing,
        ts_quote=nothing,
        sign=np.array([row[2] for row in rows], float),
        price=np.full(n, 99.0),
        qty=np.ones(n),
        fee_bps=np.zeros(n),
        latency_ms=nothing,
        maker=np.array([row[3] for row in rows], bool),
        mid_now=nothing,
        mid_at_quote=nothing,
        used_stale=nothing,
        cache_age_ms=nothing,
        quote_id=[row[0] for row in rows],
    )


def join(quotes: QuoteRows, fills: FillRows | None, shift_s: float = 0.0) -> Joined:
    return join_quotes(quotes, fills, np.zeros(0) if fills is None else fills.ts, shift_s=shift_s)


def test_the_first_maker_fill_ends_a_quote() -> None:
    """Later partial fills are another process: they start at the front of the queue."""
    found = join(
        quote_rows({"reason": "filled", "filled": 1.0}), fill_rows(("q", 4.0, 1.0, True), ("q", 7.0, 1.0, True))
    )
    assert found.spans.end_s.tolist() == [4.0]
    assert found.spans.filled.tolist() == [True]
    assert (found.fills, found.no_quote) == (2, 0)


def test_fills_without_a_quote_are_counted() -> None:
    found = join(quote_rows({}), fill_rows(("other", 4.0, 1.0, True), (None, 5.0, 1.0, True)))
    assert (found.fills, found.no_quote) == (2, 2)
    assert found.spans.filled.tolist() == [False]


def test_without_a_fills_feed_closing_is_the_fill() -> None:
    found = join(quote_rows({"id": "a", "filled": 0.5}, {"id": "b"}), None)
    assert found.spans.filled.tolist() == [True, False]
    assert found.spans.end_s.tolist() == [10.0, 10.0]


def test_restarted_quote_ids_are_refused() -> None:
    found = join(quote_rows({"id": "a"}, {"id": "a", "open": 20.0, "close": 30.0}, {"id": "b"}), fill_rows())
    assert found.refused == {"repeated_quote_id": 2}
    assert found.rows.quote_id == ["b"]


def test_quotes_that_only_took_are_refused() -> None:
    found = join(quote_rows({"reason": "filled", "filled": 1.0}), fill_rows(("q", 4.0, 1.0, False)))
    assert found.refused == {"taker": 1}


def test_a_fill_of_the_other_side_is_a_conflict() -> None:
    found = join(quote_rows({}), fill_rows(("q", 4.0, -1.0, True)))
    assert found.refused == {"side_conflict": 1}


def test_a_partial_fill_that_no_line_dates_is_refused() -> None:
    found = join(quote_rows({"reason": "replaced", "filled": 0.5}), fill_rows())
    assert found.refused == {"fill_time_unknown": 1}


def test_a_filled_quote_whose_fill_line_is_lost_ends_at_its_close() -> None:
    found = join(quote_rows({"reason": "filled", "filled": 1.0}), fill_rows())
    assert found.notes == {"filled_by_close": 1}
    assert found.spans.filled.tolist() == [True]


def test_quotes_are_shifted_to_the_clock_of_the_book() -> None:
    found = join(quote_rows({}), fill_rows(), shift_s=0.25)
    assert (found.spans.open_s.tolist(), found.spans.end_s.tolist()) == ([-0.25], [9.75])


def test_fills_outside_the_life_of_their_quote_are_noted() -> None:
    found = join(quote_rows({}), fill_rows(("q", 400.0, 1.0, True)))
    assert found.notes == {"fill_outside_life": 1}


def test_open_quotes_are_no_withdrawals() -> None:
    assert join(quote_rows({"reason": "open"}), fill_rows()).spans.still_open.tolist() == [True]


def test_the_exchange_clock_needs_nearly_all_lines() -> None:
    assert one_clock(0.99, 0.99) == "exchange"
    assert one_clock(0.98, 1.0) == "receive"
    assert one_clock(1.0, 0.98) == "receive"
