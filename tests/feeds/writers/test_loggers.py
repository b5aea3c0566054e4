"""What a bot gets from the loggers: the lines, the refusals, the counts."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy
import pytest

from calib import BookLogger, CalibrationLoggerManager, FillLogger, PipelineTickLogger, VirtualClock
from calib.errors import BadRecord, ConfigError, SinkClosed, SinkFailed
from calib.feeds.schema.table import FEEDS, Presence

NEW_YEAR = 1_735_689_600.0
FILL: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "ts": NEW_YEAR + 0.25,
    "liquidity": "maker",
    "side": "buy",
    "price": 94000.5,
    "qty": 0.01,
}
TICK: dict[str, Any] = {"ts": NEW_YEAR, "symbol": "X", "tick_total_ms": 4.5, "cache_hit": True, "deadline_miss": False}


def lines(path: Path) -> list[dict[str, Any]]:
    text = path.read_bytes()
    assert text.endswith(b"\n")
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("background", [True, False])
def test_a_fill_is_one_line_with_its_keys_in_the_order_of_the_table(tmp_path: Path, background: bool) -> None:
    with FillLogger(tmp_path, background=background) as fills:
        assert fills.log({**FILL, "trade_id": "t1", "fee_bps": -0.5, "latency_ms": 3.0})
    assert (tmp_path / "fills_20250101.jsonl").read_text() == (
        '{"ts":1735689600.25,"ts_iso":"2025-01-01T00:00:00.250000Z","symbol":"BTCUSDT","side":"buy","price":94000.5,'
        '"qty":0.01,"liquidity":"maker","queue_pos_est":null,"quote_price":null,"mid_at_quote":null,"mid_now":null,'
        '"spread_at_quote_bps":null,"latency_ms":3.0,"slip_bps":null,"fee_bps":-0.5,"trade_id":"t1"}\n'
    )


def test_every_field_that_writers_always_write_stands_in_every_line(tmp_path: Path) -> None:
    with CalibrationLoggerManager(directory=tmp_path, background=False, sample_rate=1) as bot:
        bot.log_fill(**FILL)
        bot.log_tick(**TICK)
        bot.log_book(ts=NEW_YEAR, symbol="X", type="snapshot", bids=[(1.0, 2.0)], asks=((1.5, 0),))
        bot.log_trade(ts=NEW_YEAR, symbol="X", price=1, qty=2, side="sell")
        bot.log_quote(
            ts=NEW_YEAR, quote_id="q", symbol="X", side="buy", price=1.0, qty=2.0, ts_open=NEW_YEAR - 1,
            ts_close=NEW_YEAR, close_reason="cancelled", qty_filled=0.0,
        )  # fmt: skip
    for kind, feed in FEEDS.items():
        (line,) = lines(tmp_path / f"{kind}_20250101.jsonl")
        written = [field.name for field in feed.fields if field.name in line]
        assert list(line) == written
        assert {f.name for f in feed.fields if f.presence is not Presence.OPTIONAL} <= set(line)


def test_ts_is_kept_to_the_microsecond_and_ts_iso_says_the_same(tmp_path: Path) -> None:
    with FillLogger(tmp_path, background=False) as fills:
        fills.log({**FILL, "ts": 1735689600.1234567, "ts_iso": "whatever the bot says"})
        fills.log({**FILL, "ts": 1735775999.9999997})  # rounds into the next day, and lies there
    (first,) = lines(tmp_path / "fills_20250101.jsonl")
    (second,) = lines(tmp_path / "fills_20250102.jsonl")
    assert (first["ts"], first["ts_iso"]) == (1735689600.123457, "2025-01-01T00:00:00.123457Z")
    assert (second["ts"], second["ts_iso"]) == (1735776000.0, "2025-01-02T00:00:00.000000Z")


def test_a_record_without_ts_is_stamped_by_the_clock(tmp_path: Path) -> None:
    with FillLogger(tmp_path, background=False, clock=VirtualClock(NEW_YEAR + 7)) as fills:
        fills.log({name: value for name, value in FILL.items() if name != "ts"})
        fills.log({**FILL, "ts": None})
    assert [line["ts"] for line in lines(tmp_path / "fills_20250101.jsonl")] == [NEW_YEAR + 7, NEW_YEAR + 7]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"price": float("nan")}, "price"),
        ({"price": -1.0}, "price"),
        ({"price": 0}, "price"),
        ({"price": "94000"}, "price"),
        ({"price": None}, "price"),
        ({"price": True}, "price"),
        ({"price": 10**400}, "price"),
        ({"qty": float("inf")}, "qty"),
        ({"slip_bps": float("nan")}, "slip_bps"),
        ({"symbol": ""}, "symbol"),
        ({"symbol": "X" * 65}, "symbol"),
        ({"symbol": "A\nB"}, "symbol"),
        ({"symbol": "A\x85B"}, "symbol"),
        ({"symbol": "\ud800"}, "symbol"),
        ({"symbol": 5}, "symbol"),
        ({"side": "BUY"}, "side"),
        ({"liquidity": "unknown"}, "liquidity"),
        ({"latency_ms": -0.001}, "latency_ms"),
        ({"trade_id": 17}, "trade_id"),
        ({"order_id": "\udfff"}, "order_id"),
        ({"ts": 1735689600250.0}, "ts"),
        ({"ts": float("nan")}, "ts"),
        ({"bucket": "C"}, "bucket"),
        ({"midnow": 3.0}, "midnow"),
        ({5: 3.0}, "5"),
        ({"mid_now": numpy.float32(1.5)}, "mid_now"),
    ],
)
def test_what_the_schema_refuses_is_refused_by_field_and_counted(
    tmp_path: Path, change: dict[Any, Any], field: str
) -> None:
    with FillLogger(tmp_path, background=False) as fills:
        with pytest.raises(BadRecord) as refusal:
            fills.log({**FILL, **change})
        assert refusal.value.where == f"fills, {field}"
        assert fills.stats.refused == 1
        assert fills.stats.accepted == 0
    assert list(tmp_path.iterdir()) == []


def test_a_missing_required_field_is_named(tmp_path: Path) -> None:
    with FillLogger(tmp_path, background=False) as fills, pytest.raises(BadRecord) as refusal:
        fills.log({name: value for name, value in FILL.items() if name != "qty"})
    assert str(refusal.value) == "fills, qty: absent. The record was not written"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"n_quotes": -1}, "n_quotes"),
        ({"n_quotes": 1.0}, "n_quotes"),
        ({"n_quotes": True}, "n_quotes"),
        ({"sample_rate": 3}, "sample_rate"),
        ({"cache_hit": 1}, "cache_hit"),
        ({"stage_latencies": {"risk": -1.0}}, "stage_latencies"),
        ({"update_id": 2**63}, "update_id"),
        ({"symbol": None}, "symbol"),
    ],
)
def test_what_the_schema_refuses_of_a_tick(tmp_path: Path, change: dict[str, Any], field: str) -> None:
    with PipelineTickLogger(tmp_path, background=False) as ticks:
        with pytest.raises(BadRecord) as refusal:
            ticks.log({**TICK, **change})
        assert refusal.value.where == f"pipeline_ticks, {field}"
        assert ticks.log(TICK)  # a refused tick is none: the next is the symbol's first


def test_a_book_level_below_zero_is_refused(tmp_path: Path) -> None:
    with BookLogger(tmp_path, background=False) as book, pytest.raises(BadRecord, match="book, bids"):
        book.log({"ts": NEW_YEAR, "symbol": "X", "type": "delta", "bids": [[1.0, -1.0]], "asks": []})


@pytest.mark.parametrize("record", [None, [], "x"])
def test_what_is_no_mapping_is_refused(tmp_path: Path, record: Any) -> None:
    with FillLogger(tmp_path, background=False) as fills, pytest.raises(BadRecord, match="must be a mapping"):
        fills.log(record)
    with PipelineTickLogger(tmp_path, background=False) as ticks, pytest.raises(BadRecord):
        ticks.log(record)


def test_numpy_doubles_and_string_enums_are_what_they_are(tmp_path: Path) -> None:
    import enum

    class Side(enum.StrEnum):
        BUY = "buy"

    with FillLogger(tmp_path, background=False) as fills:
        fills.log({**FILL, "side": Side.BUY, "mid_now": numpy.float64(94001.25)})
    (line,) = lines(tmp_path / "fills_20250101.jsonl")
    assert (line["side"], line["mid_now"]) == ("buy", 94001.25)


def test_closed_is_closed(tmp_path: Path) -> None:
    fills = FillLogger(tmp_path)
    fills.log(FILL)
    fills.close()
    fills.close()
    with pytest.raises(SinkClosed):
        fills.log(FILL)
    assert fills.stats.written == 1
    manager = CalibrationLoggerManager(directory=tmp_path)
    manager.close()
    with pytest.raises(SinkClosed):
        manager.log_fill(**FILL)


def test_a_disabled_manager_makes_and_writes_nothing(tmp_path: Path) -> None:
    with CalibrationLoggerManager(enabled=False, directory=tmp_path / "feeds") as bot:
        assert bot.log_fill(nonsense=1) is False  # type: ignore[call-arg]  # nothing is looked at
        assert bot.log_tick() is False  # type: ignore[call-arg]
        assert bot.stats == {}
    assert not (tmp_path / "feeds").exists()


@pytest.mark.parametrize(
    "options", [{"capacity": 0}, {"flush_interval_s": 0}, {"when_full": "panic"}, {"fsync": "now"}, {"sample_rate": 0}]
)
def test_options_out_of_range_are_named(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        PipelineTickLogger(tmp_path, **options)


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    for name, background in (("a", True), ("b", False)):
        with PipelineTickLogger(tmp_path / name, background=background, sample_rate=3) as ticks:
            for number in range(1000):
                ticks.log({**TICK, "ts": NEW_YEAR + number * 100, "n_quotes": number % 4, "symbol": f"S{number % 7}"})
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == ["pipeline_ticks_20250101.jsonl", "pipeline_ticks_20250102.jsonl"]
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_logger_leaves_the_processs_signals_alone_unless_it_is_asked(tmp_path: Path) -> None:
    before = {name: signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGINT)}
    with FillLogger(tmp_path / "a"), PipelineTickLogger(tmp_path / "b"), CalibrationLoggerManager(directory=tmp_path):
        assert {name: signal.getsignal(name) for name in before} == before
    with FillLogger(tmp_path / "c", install_signal_handlers=True):
        assert signal.getsignal(signal.SIGTERM) is not before[signal.SIGTERM]


def test_a_record_and_keywords_at_once_are_refused(tmp_path: Path) -> None:
    with FillLogger(tmp_path) as fills, PipelineTickLogger(tmp_path, sample_rate=1) as ticks:
        pairs: list[tuple[Any, dict[str, Any]]] = [(fills, FILL), (ticks, TICK)]
        for logger, record in pairs:
            with pytest.raises(TypeError, match="give a record or its fields as keywords, not both"):
                logger.log(record, symbol="Y")
            assert logger.log(record)
    assert [len(lines(path)) for path in sorted(tmp_path.iterdir())] == [1, 1]


class Whole(int):
    def __repr__(self) -> str:
        return "another text"


class Real(float):
    def __repr__(self) -> str:
        return "another text"


def test_numbers_of_own_types_are_written_as_numbers_wherever_they_stand(tmp_path: Path) -> None:
    with PipelineTickLogger(tmp_path, sample_rate=1, background=False) as ticks:
        ticks.log(
            TICK
            | {"ts": Real(NEW_YEAR), "tick_total_ms": Whole(4), "update_id": Whole(7)}
            | {"stage_latencies": {"fetch_md": Real(1.5), "risk": Whole(2), "quote": None}}
        )
    with BookLogger(tmp_path, background=False) as book:
        book.log(ts=NEW_YEAR, symbol="X", type="snapshot", bids=[(Real(1.5), Whole(2))], asks=([Whole(2), Real(0.5)],))
    (tick,) = lines(tmp_path / "pipeline_ticks_20250101.jsonl")
    assert (tick["ts"], tick["tick_total_ms"], tick["update_id"]) == (NEW_YEAR, 4, 7)
    assert tick["stage_latencies"] == {"fetch_md": 1.5, "risk": 2, "quote": None}
    (levels,) = lines(tmp_path / "book_20250101.jsonl")
    assert (levels["bids"], levels["asks"]) == ([[1.5, 2]], [[2, 0.5]])


def test_what_is_refused_says_what_came_of_it(tmp_path: Path) -> None:
    with PipelineTickLogger(tmp_path, sample_rate=10) as ticks:
        for change, what in (
            ({"n_quotes": -1}, "must be a whole number >= 0, but is -1"),
            ({"sample_rate": 3}, "the logger uses 10, but the record has 3"),
        ):
            with pytest.raises(BadRecord) as refused:
                ticks.log(TICK | change)
            assert (refused.value.what, refused.value.hint) == (what, "The record was not written")
    with pytest.raises(SinkClosed) as closed:
        ticks.log(TICK)
    assert (closed.value.what, closed.value.hint) == (
        "this logger is closed",
        "Log before close(), or create a new logger",
    )


def test_a_disk_that_refuses_says_what_to_do(tmp_path: Path) -> None:
    fills = FillLogger(tmp_path / "feeds", flush_interval_s=60)
    (tmp_path / "feeds" / "fills_20250101.jsonl").mkdir(parents=True)
    assert fills.log(FILL)
    with pytest.raises(SinkFailed) as refused:
        fills.flush()
    assert refused.value.what == "cannot be written: Is a directory"
    assert refused.value.hint == (
        "Free some space or repair the directory; logging then continues; `stats` counts the lost records"
    )
    (tmp_path / "feeds" / "fills_20250101.jsonl").rmdir()
    assert fills.log(FILL)
    fills.close()
    assert len(lines(tmp_path / "feeds" / "fills_20250101.jsonl")) >= 1
