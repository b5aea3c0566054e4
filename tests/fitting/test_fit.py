"""`calib.fit` on feeds: the method end to end, and every way in which there is nothing to say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from calib.errors import NoSuchSymbol
from calib.fitting.fit import FitResult, fit
from calib.fitting.markouts import markouts
from tests.fitting.feeds import DAY, fill, poisson_feeds, quote, snapshot, write


def numbers_of(value: Any) -> Iterator[float]:
    """Every number of a JSON value."""
    if isinstance(value, dict):
        for one in value.values():
            yield from numbers_of(one)
    elif isinstance(value, list):
        for one in value:
            yield from numbers_of(one)
    elif isinstance(value, float):
        yield value


def row(result: FitResult, side: str = "both", symbol: str = "X") -> dict[str, Any]:
    return next(row for row in result.rows if (row["symbol"], row["side"]) == (symbol, side))


def books(seconds: int = 60, mid: float = 100.0, start: float = DAY) -> list[dict[str, Any]]:
    """A still mid, seen each second."""
    return [snapshot(start + second, mid + 0.002 * (second % 2)) for second in range(seconds)]


def assert_no_number(result: FitResult, *reasons: str) -> None:
    """Each row has a verdict with these reasons, and no estimate."""
    for one in result.rows:
        assert one["verdict"] == "NOT_ENOUGH_DATA"
        assert set(reasons) <= set(one["reasons"])
        assert one["intensity"] is None
        assert one["quotes"] == []
        assert one["model"] is None


def test_known_truth_end_to_end(tmp_path: Path) -> None:
    """A .5, k .8 from feeds on disk: the intervals hold the truth."""
    poisson_feeds(tmp_path, quotes=3000)
    result = fit(tmp_path, gamma=[0.1])
    intensity = row(result)["intensity"]
    for key, truth in (("A_per_s", 0.5), ("k_per_bps", 0.8)):
        assert intensity[key]["low"] < truth < intensity[key]["high"]
    assert row(result)["n"]["run_over"] == 0
    assert intensity["checks"]["monotone"] is True
    assert result.document["joins"]["no_quote"] == 0
    assert row(result)["reasons"] == ["too_few_test_days"]


def test_five_days_of_one_truth_may_be_used(tmp_path: Path) -> None:
    poisson_feeds(tmp_path, quotes=900, days=5, seed=3)
    result = fit(tmp_path, gamma=[0.1, 1.0])
    one = row(result)
    assert (one["verdict"], one["reasons"]) == ("USE", [])
    assert result.exit_code(strict=True) == result.exit_code() == 0
    assert [quotes["gamma"] for quotes in one["quotes"]] == [0.1, 1.0]
    walk = one["walk_forward"]
    assert len(walk["days"]) == 4
    assert walk["gain_nats_per_fill"]["constant"]["low"] > 0
    assert walk["drift"]["df"] == 8
    half = one["quotes"][0]["half_bps"]
    assert half["low"] < half["est"] < half["high"]
    assert [entry["q"] for entry in one["quotes"][0]["table"]] == list(range(-5, 6))


def test_a_truth_that_changes_is_not_used(tmp_path: Path) -> None:
    """k .8 on three days, then .2 with another A: the days disagree."""
    for day in range(5):
        part = tmp_path / str(day)
        a, k = (0.5, 0.8) if day < 3 else (0.1, 0.2)
        poisson_feeds(part, quotes=600, a=a, k=k, start=DAY + 86_400 * day, first=1000 * day, seed=day)
        for path in part.iterdir():
            path.rename(tmp_path / path.name)
        part.rmdir()
    result = fit(tmp_path)
    assert row(result)["verdict"] == "DO_NOT_USE"
    assert "drift" in row(result)["reasons"]
    assert result.exit_code() == 1


def test_the_same_feeds_give_the_same_bytes(tmp_path: Path) -> None:
    poisson_feeds(tmp_path / "feeds", quotes=200)
    one, other = (fit(tmp_path / "feeds", gamma=[0.1]).write(tmp_path / name) for name in "ab")
    assert one.read_bytes() == other.read_bytes()
    assert one.name == "fit_20250101_000000_20250102_000000.json"
    document = json.loads(one.read_bytes())
    assert list(document) == ["schema", "range", "params", "inputs", "missing_days", "joins", "fits", "tool"]
    assert [(each["symbol"], each["side"]) for each in document["fits"]] == [
        ("X", side) for side in ("both", "buy", "sell")
    ]
    assert all(value == value and abs(value) != float("inf") for value in numbers_of(document))


def test_nothing_to_fit(tmp_path: Path) -> None:
    write(tmp_path, "book", books())
    write(tmp_path, "quotes", [quote(n, DAY + 5 + n, DAY + 6 + n, 99.9) for n in range(20)])
    write(tmp_path, "fills", [fill(99, DAY + 5, 99.9, liquidity="taker")])
    result = fit(tmp_path)
    assert "nothing_to_fit" in row(result)["reasons"]
    assert_no_number(result)


def test_one_fill(tmp_path: Path) -> None:
    write(tmp_path, "book", books())
    quotes = [quote(n, DAY + 5 + n, DAY + 5.9 + n, 99.9 + n / 1000) for n in range(20)]
    quotes[5] |= {"close_reason": "filled", "qty_filled": 1.0}
    write(tmp_path, "quotes", quotes)
    write(tmp_path, "fills", [fill(5, DAY + 10.5, 99.905)])
    result = fit(tmp_path)
    assert row(result)["n"]["fills"] == 1
    assert "too_few_fills" in row(result)["reasons"]
    assert_no_number(result)


def test_all_run_over(tmp_path: Path) -> None:
    """The mid falls below each bid before its fill."""
    mids = [100.0 if second % 4 < 2 else 99.5 for second in range(90)]
    write(tmp_path, "book", [snapshot(DAY + second, mid) for second, mid in enumerate(mids)])
    opened = [DAY + 4 * n + 0.5 for n in range(1, 20)]
    write(tmp_path, "quotes", [quote(n, at, at + 2, 99.8, "filled") for n, at in enumerate(opened)])
    write(tmp_path, "fills", [fill(n, at + 2, 99.8) for n, at in enumerate(opened)])
    result = fit(tmp_path)
    assert row(result)["n"]["run_over"] == 19
    assert "all_run_over" in row(result)["reasons"]
    assert_no_number(result)


def test_no_mids(tmp_path: Path) -> None:
    write(tmp_path, "quotes", [quote(n, DAY + n, DAY + n + 1, 99.9, "filled") for n in range(60)])
    write(tmp_path, "fills", [fill(n, DAY + n + 1, 99.9) for n in range(60)])
    assert_no_number(fit(tmp_path), "no_mids")


def test_mids_too_coarse(tmp_path: Path) -> None:
    """Ticks each two seconds, quotes of three: the mid between them is not known."""
    ticks = [
        {
            "ts": DAY + 2 * n,
            "symbol": "X",
            "tick_total_ms": 5.0,
            "cache_hit": True,
            "deadline_miss": False,
            "mid": 100.0 + n % 2,
        }
        for n in range(40)
    ]
    write(tmp_path, "pipeline_ticks", ticks)
    write(tmp_path, "quotes", [quote(n, DAY + n, DAY + n + 3, 99.9, "filled") for n in range(60)])
    write(tmp_path, "fills", [fill(n, DAY + n + 3, 99.9) for n in range(60)])
    assert_no_number(fit(tmp_path), "mids_too_coarse")


def test_two_clocks(tmp_path: Path) -> None:
    """The fills' clock is an hour ahead of the quotes'."""
    write(tmp_path, "book", books(4000))
    write(tmp_path, "quotes", [quote(n, DAY + n, DAY + n + 1, 99.9, "filled") for n in range(60)])
    write(tmp_path, "fills", [fill(n, DAY + n + 3600, 99.9) for n in range(60)])
    assert_no_number(fit(tmp_path), "clocks_disagree")


def test_two_venue_clocks(tmp_path: Path) -> None:
    """Book and fills both carry the venue's time, and lag it by 0 and by 3 s."""
    write(tmp_path, "book", [{**book, "ts_exchange": book["ts"]} for book in books(100)])
    write(tmp_path, "quotes", [quote(n, DAY + n, DAY + n + 1, 99.9, "filled") for n in range(60)])
    write(tmp_path, "fills", [fill(n, DAY + n + 4, 99.9, ts_exchange=DAY + n + 1) for n in range(60)])
    assert_no_number(fit(tmp_path), "clocks_disagree")


def test_restarted_quote_ids(tmp_path: Path) -> None:
    write(tmp_path, "book", books(100))
    write(tmp_path, "quotes", [quote(n % 30, DAY + n, DAY + n + 1, 99.9, "filled") for n in range(60)])
    write(tmp_path, "fills", [fill(n % 30, DAY + n + 1, 99.9, trade_id=f"t{n}") for n in range(60)])
    assert_no_number(fit(tmp_path), "repeated_quote_ids")


def test_quote_ids_repeat_between_symbols(tmp_path: Path) -> None:
    """The same ids on two symbols: each fill ends the quote of its own."""
    for name in ("X", "Y"):
        poisson_feeds(tmp_path / name, quotes=60, symbol=name, seed=3 if name == "X" else 4)
    for kind in ("book", "quotes", "fills"):
        file = f"{kind}_20250101.jsonl"
        lines = [(tmp_path / name / file).read_text() for name in ("X", "Y")]
        (tmp_path / file).write_text("".join(lines))
    both = fit(tmp_path)
    for name in ("X", "Y"):
        alone = fit(tmp_path / name)
        assert row(both, symbol=name)["exposure_s"] == row(alone, symbol=name)["exposure_s"]
        assert row(both, symbol=name)["n"] == row(alone, symbol=name)["n"]


def test_fills_stamped_late_with_the_mid_jumping_at_them(tmp_path: Path) -> None:
    """Each fill moves the mid to the quote, and is stamped just after: strictly before is what counts."""
    write(tmp_path, "book", books(400))
    lines, fills, extra = [], [], []
    for n in range(90):
        at = DAY + 5.3 + 4 * n
        price = 99.9 + 0.001 * (n % 10)
        lines.append(quote(n, at, at + 1.2, price, "filled"))
        fills.append(fill(n, at + 1.2, price))
        extra.append(snapshot(at + 1.2, price))
    write(tmp_path, "book", sorted([*books(400), *extra], key=lambda one: one["ts"]))
    write(tmp_path, "quotes", lines)
    write(tmp_path, "fills", fills)
    result = fit(tmp_path)
    assert row(result)["n"]["run_over"] == 0
    assert row(result)["n"]["fills"] == 90


def test_the_exchange_clock_and_the_bots_shift(tmp_path: Path) -> None:
    """Everything is received 0.2 s after it happened; quotes carry the bot's clock."""
    late = 0.2
    write(tmp_path, "book", [{**book, "ts": book["ts"] + late, "ts_exchange": book["ts"]} for book in books(60)])
    write(tmp_path, "quotes", [quote(1, DAY + 10 + late, DAY + 12 + late, 99.9, "filled")])
    write(tmp_path, "fills", [fill(1, DAY + 12 + late, 99.9, ts_exchange=DAY + 12)])
    notes: list[str] = []
    result = fit(tmp_path, note=notes.append)
    joins = result.document["joins"]
    assert joins["clock"] == "exchange"
    assert joins["clock_shift_s"] == pytest.approx(late)
    assert row(result)["exposure_s"] == pytest.approx(2.0)
    assert "shifted" in notes[0]


def test_without_quotes_the_tape_is_an_upper_bound(tmp_path: Path) -> None:
    import numpy as np

    random = np.random.default_rng(2)
    write(tmp_path, "book", books(3000))
    trades = [
        {
            "ts": DAY + 0.5 + second,
            "ts_exchange": None,
            "symbol": "X",
            "price": 100.0 - 0.01 * float(random.exponential(1.5)),
            "qty": 1.0,
            "side": "sell",
            "trade_id": None,
        }
        for second in range(2900)
        if random.random() < 0.4
    ]
    write(tmp_path, "trades", trades)
    result = fit(tmp_path)
    one = row(result, "buy")
    assert one["intensity"]["source"] == "trades"
    assert one["verdict"] == "NOT_ENOUGH_DATA"
    assert one["reasons"][0] == "upper_bound"
    assert one["quotes"] == []


def test_symbols_that_do_not_occur(tmp_path: Path) -> None:
    poisson_feeds(tmp_path, quotes=20)
    with pytest.raises(NoSuchSymbol, match="none of these symbols"):
        fit(tmp_path, symbols=["Z"])


def test_markouts_of_the_same_feeds(tmp_path: Path) -> None:
    poisson_feeds(tmp_path, quotes=1500)
    result = markouts(tmp_path)
    one = next(r for r in result.rows if (r["bucket"], r["horizon_s"], r["weight"]) == ("all", 5.0, "notional"))
    assert one["group"] == "maker"
    assert one["effective"] == one["realised"] + 2 * one["impact"]
    assert one["n"] > 0
    assert result.name == "markout_20250101_000000_20250102_000000"
    # The mid of these feeds does not care for our fills: the interval holds 0.
    assert one["low"] <= 0 <= one["high"]


def test_the_file_in_use_is_judged_on_days_that_it_has_not_seen(tmp_path: Path) -> None:
    """The same fit again is no worse than itself; a file of other numbers from before is beaten."""
    from calib.fitting.guard_rails import GuardRails
    from calib.fitting.publish import publish

    feeds = tmp_path / "feeds"
    poisson_feeds(feeds, quotes=900, days=5, seed=3)
    target = tmp_path / "calibration.json"
    first = fit(feeds)
    assert publish(first, first.write(tmp_path), target, GuardRails()).changed
    again = row(fit(feeds, in_use=target))
    assert (again["verdict"], again["walk_forward"]["gain_nats_per_fill"]["in_use"]) == ("USE", None)
    body = json.loads(target.read_text())
    body["valid_from"] = "2025-01-02T00:00:00Z"
    for one in body["rows"]:
        one["k_per_bps"]["est"] = 0.2
    from calib.fitting.published import content_hash

    target.write_text(json.dumps(body | {"sha256": content_hash(body)}))
    better = row(fit(feeds, in_use=target))
    assert better["walk_forward"]["gain_nats_per_fill"]["in_use"]["low"] > 0
    assert better["verdict"] == "USE"
