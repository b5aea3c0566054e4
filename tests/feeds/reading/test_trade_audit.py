"""The audit of recorded trades, by hand."""

from __future__ import annotations

from types import SimpleNamespace

from calib.feeds.reading.trade_audit import TradeAudit, TradeFacts


def judged(*trades: tuple[float, str, str | None], remembered: int = 100) -> tuple[TradeFacts, ...]:
    audit = TradeAudit(remembered)
    for line, (ts, symbol, trade_id) in enumerate(trades, 1):
        audit.see(line, SimpleNamespace(ts=ts, symbol=symbol, trade_id=trade_id))
    return audit.finish_file()


def test_each_trouble_with_its_first_line_by_symbol() -> None:
    a, b = judged(
        (1, "A", "10"), (2, "B", "10"), (3, "A", "11"), (2.5, "A", "11"), (3, "A", "9"), (4, "A", None), (5, "A", "12")
    )  # fmt: skip
    assert a == TradeFacts(
        "A",
        6,
        1,
        {"duplicates": 1, "rewinds": 1, "out_of_order": 1},
        {"duplicates": 4, "rewinds": 5, "out_of_order": 4},
    )
    assert b == TradeFacts("B", 1, 0, {}, {})


def test_ids_that_are_no_numbers_have_no_order() -> None:
    (facts,) = judged((1, "A", "b"), (2, "A", "a"), (3, "A", "b"))
    assert facts.troubles == {"duplicates": 1}


def test_only_the_last_ids_are_remembered() -> None:
    trades = [(n, "A", str(n)) for n in (1, 2, 3)]
    (known,) = judged(*trades, (4, "A", "1"), remembered=3)
    (forgotten,) = judged(*trades, (4, "A", "1"), remembered=2)
    assert (known.troubles, forgotten.troubles) == ({"duplicates": 1}, {"rewinds": 1})


def test_what_is_remembered_goes_on_in_the_next_file() -> None:
    audit = TradeAudit()
    for _ in range(2):
        audit.see(1, SimpleNamespace(ts=1.0, symbol="A", trade_id="7"))
        (facts,) = audit.finish_file()
    assert facts.troubles == {"duplicates": 1}
