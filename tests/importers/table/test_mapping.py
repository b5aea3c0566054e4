"""The words of a mapping, each alone: values worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib.errors import UsageError
from calib.importers.base import BadRow
from calib.importers.table.arithmetic import Arithmetic
from calib.importers.table.fees import Fee
from calib.importers.table.mapping import TableColumn, TableMapping, mapping_of, with_words
from calib.importers.table.records import Converter
from calib.importers.table.times import unix_seconds

NEW_YEAR = 1735689600
"""2025-01-01T00:00:00Z."""


@pytest.mark.parametrize(
    ("value", "unit", "seconds"),
    [
        ("1735689600.25", "s", NEW_YEAR + 0.25),
        (1735689600250, "ms", NEW_YEAR + 0.25),
        ("1735689600250000", "us", NEW_YEAR + 0.25),
        (1735689600250000000, "ns", NEW_YEAR + 0.25),
        ("2025-01-01T00:00:00.25Z", "iso", NEW_YEAR + 0.25),
        ("2025-01-01 00:00:00.25", "iso", NEW_YEAR + 0.25),
        ("2025-01-01 01:30:00,25+01:30", "iso", NEW_YEAR + 0.25),
        ("2024-12-31T19:00:00-0500", "iso", NEW_YEAR),
        (datetime(2025, 1, 1, 0, 0, 0, 250_000), "s", NEW_YEAR + 0.25),  # noqa: DTZ001  # as a file has it
        (datetime(2025, 1, 1, tzinfo=UTC), "s", NEW_YEAR),
    ],
)
def test_times(value: object, unit: str, seconds: float) -> None:
    assert unix_seconds(value, unit, "ts") == seconds


@pytest.mark.parametrize(
    ("value", "unit", "what"),
    [
        ("1735689600", "ms", "looks like seconds"),
        (1735689600500, "s", "looks like milliseconds"),
        ("2025-01-01 00:00:00", "ms", "is it iso"),
        ("2025-02-30 00:00:00", "iso", "not a time of the calendar"),
        ("2025-01-01", "iso", "not a date and time"),
        ("nan", "s", ""),
        (True, "s", ""),
        ("1_735_689_600", "s", ""),
    ],
)
def test_a_time_in_another_unit_is_refused_and_named(value: object, unit: str, what: str) -> None:
    with pytest.raises(BadRow) as caught:
        unix_seconds(value, unit, "ts")
    assert what in caught.value.what


@given(st.integers(NEW_YEAR * 1000, NEW_YEAR * 1000 + 10**11))
def test_milliseconds_are_the_nearest_double(value: int) -> None:
    assert unix_seconds(str(value), "ms", "ts") == value / 1000


@given(
    st.floats(0.1, 1e6),
    st.floats(0.1, 1e6),
    st.floats(0.1, 1e6),
    st.sampled_from(["a/(b*c)", "a-b-c", "-a+b*c", "a/b/c"]),
)
def test_arithmetic_is_that_of_python(a: float, b: float, c: float, text: str) -> None:
    expected = eval(text, {"a": a, "b": b, "c": c})
    assert Arithmetic(text)({"a": a, "b": str(b), "c": c}) == expected


@pytest.mark.parametrize("text", ["a+", "(a", "a b", "a**b", "import(os)", "a/%", ")", "(" * 60 + "a" + ")" * 60])
def test_arithmetic_that_cannot_be_read(text: str) -> None:
    with pytest.raises(UsageError, match="is not valid arithmetic of columns"):
        Arithmetic(text)


def test_arithmetic_divides_by_0_in_one_row_only() -> None:
    with pytest.raises(BadRow):
        Arithmetic("fee/qty")({"fee": 1, "qty": 0})
    assert Arithmetic("fee/qty")({"fee": 1}) is None


@pytest.mark.parametrize(
    ("asset", "amount", "bps"),
    [
        # 2 BTC at 50 000: 100 000 of notional; 10 USDT are 1 bps, 0.0002 BTC are 10 USDT, 0.02 BNB at 500 too.
        ("USDT", "10", 1.0),
        ("BTC", "0.0002", 1.0),
        ("BNB", "0.02", 1.0),
        ("USDT", "-10", -1.0),
        ("XRP", "10", None),
        ("XRP", "0", 0.0),
        (None, "10", None),
        ("BNB", None, None),
    ],
)
def test_a_fee_in_any_asset(asset: str | None, amount: str | None, bps: float | None) -> None:
    fee = Fee("fee", "asset", rates={"BNB": 500.0})
    for symbol in ("BTCUSDT", "BTC/USDT", "BTC-USDT", "btc_usdt"):
        assert fee.bps({"fee": amount, "asset": asset}, symbol, 50_000, 2) == bps


def record(row: dict[str, object], *maps: str, texts: bool = False, **constants: str) -> dict[str, object]:
    sets = [f"{name}={value}" for name, value in constants.items()]
    return Converter(with_words(TableMapping("fills"), maps, sets), texts=texts).record(row)


FILL = ("ts=t:ms", "side=s:{B:buy,S:sell}", "price=p", "qty=q", "liquidity=m:{true:maker,false:taker}")
ROW = {"t": 1735689600250, "s": "B", "p": 100.0, "q": 2, "m": True}


def test_a_row_becomes_a_record() -> None:
    made = record(ROW, *FILL, symbol="BTCUSDT")
    assert made == {
        "ts": NEW_YEAR + 0.25, "symbol": "BTCUSDT", "side": "buy", "price": 100.0, "qty": 2.0, "liquidity": "maker",
    }  # fmt: skip


def test_text_becomes_a_number_only_where_the_mapping_says_so_or_in_csv() -> None:
    row = ROW | {"p": "100.5"}
    with pytest.raises(BadRow, match="bad_type"):
        record(row, *FILL, symbol="X")
    assert record(row, *FILL, "price=p:number", symbol="X")["price"] == 100.5
    assert record({name: str(value) for name, value in row.items()}, *FILL, texts=True, symbol="X")["price"] == 100.5


def test_ids_keep_every_digit() -> None:
    made = record(ROW | {"id": 2**63 + 1}, *FILL, "trade_id=id", symbol="X")
    assert made["trade_id"] == "9223372036854775809"
    with pytest.raises(BadRow):
        record(ROW | {"id": 9.2e18}, *FILL, "trade_id=id", symbol="X")


def test_a_value_that_an_enum_lacks_is_counted_and_no_damage() -> None:
    with pytest.raises(BadRow) as caught:
        record(ROW | {"s": "HOLD"}, *FILL, symbol="X")
    assert (caught.value.reason, caught.value.damaged) == ("not_in_mapping", False)


def test_symbol_forms_and_dotted_sources() -> None:
    row = ROW | {"market": {"pair": "btc/usdt:USDT"}}
    forms = {word: record(row, *FILL, f"symbol=market.pair:{word}")["symbol"] for word in ("compact", "dash", "slash")}
    assert forms == {"compact": "BTCUSDT", "dash": "BTC-USDT", "slash": "BTC/USDT"}


def test_a_column_with_signs_in_its_name() -> None:
    assert TableColumn.of('"Price (USDT)":number').source == "Price (USDT)"
    assert TableColumn.of("order-id").source == "order-id"


@pytest.mark.parametrize(
    ("maps", "sets", "match"),
    [
        (["ts"], [], "not FIELD=VALUE"),
        (["nope=x"], [], "has no field 'nope'"),
        (["ts=time:millis"], [], "not a conversion"),
        (["side=s:{a}"], [], "not a valid enum"),
        ([], ["price=dear"], "price: 'dear' is not a valid constant"),
        ([], ["cache_age_ms=true"], "cache_age_ms: 'true' is not a valid constant"),
    ],
)
def test_words_that_cannot_be_read(maps: list[str], sets: list[str], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        with_words(TableMapping("fills"), maps, sets)


@pytest.mark.parametrize(
    ("document", "match"),
    [
        ([], "not a mapping file"),
        ({"kind": "fils"}, "not a kind"),
        ({"kind": "fills", "maps": {}}, "unknown key 'maps'"),
        ({"kind": "fills", "map": {"ts": 5}}, "not a valid source"),
        ({"kind": "fills", "map": ["ts"]}, "not a mapping"),
        ({"kind": "fills", "fee": {"amount": "x"}}, "fee is not a mapping"),
        (
            {"kind": "fills", "fee": {"amount": "x", "asset": "y"}, "rates": {"BNB": 0}},
            "rate of BNB: 0 is not a price above 0",
        ),
    ],
)
def test_documents_that_cannot_be_read(document: object, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        mapping_of(document, "map.yaml")


def test_levels_of_a_book() -> None:
    words = ["ts=t:ms", "type=k", "symbol=s", "bids=b:number", "asks=a:number"]
    mapping = with_words(TableMapping("book"), words, [])
    row = {"t": 1735689600000, "k": "snapshot", "s": "X", "b": [["1.5", "2"]], "a": [["1.6", "3"]]}
    assert Converter(mapping, texts=False).record(row)["bids"] == [[1.5, 2.0]]
