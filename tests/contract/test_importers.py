"""What every importer promises, whatever its format."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from calib.clock import VirtualClock
from calib.errors import NotThisFormat, UnreadableInput
from calib.feeds.schema.table import FEEDS
from calib.feeds.writers.encoding import Encoder
from calib.importers import (
    BinanceVision,
    Cryptofeed,
    HftbacktestCollector,
    HftbacktestNpz,
    HummingbotTrades,
    Imported,
    Importer,
    Rejected,
    Tardis,
    collect,
)


def collector_file(directory: Path) -> Path:
    path = directory / "btcusdt_20240808"
    path.write_text(
        '1723161255030314667 {"lastUpdateId":7,"T":1723161255000,"bids":[["1.5","2"]],"asks":[["1.6","3"]]}\n'
        "not a line of ours\n"
        '1723161255130314667 {"e":"depthUpdate","T":1723161255100,"s":"BTCUSDT","U":8,"u":9,"pu":7,"b":[],"a":[]}\n'
        '1723161255230314667 {"e":"trade","s":"BTCUSDT","t":12,"p":"1.6","q":"10","T":1723161255200,"m":false}\n'
    )
    return path


def hummingbot_file(directory: Path) -> Path:
    path = directory / "trades_x.csv"
    path.write_text(
        "exchange_trade_id,symbol,base_asset,quote_asset,timestamp,order_id,trade_type,order_type,price,amount,trade_fee\n"
        "t1,A-B,A,B,1652207035500,o1,BUY,LIMIT_MAKER,0.5,300,{}\n"
        "t2,A-B,A,B,1652207035500,o1,BUY,LIMIT_MAKER,zero,300,{}\n"
        "t3,A-B,A,B,1652207036500,o1,SELL,MARKET,0.5,300,{}\n"
    )
    return path


def tardis_file(directory: Path) -> Path:
    path = directory / "deribit_incremental_book_L2_2020-04-01_BTC-PERPETUAL.csv"
    path.write_text(
        "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n"
        "deribit,BTC-PERPETUAL,1585699200000000,1585699200000100,true,bid,6424.5,10\n"
        "deribit,BTC-PERPETUAL,1585699200000000,1585699200000100,true,ask,6425,20\n"
        "deribit,BTC-PERPETUAL,1585699200000000,1585699200000200,false,bid,zero,10\n"
        "deribit,BTC-PERPETUAL,1585699200000000,1585699200000300,false,bid,6424.5,0\n"
    )
    return path


def binance_vision_file(directory: Path) -> Path:
    path = directory / "BTCUSDT-trades-2025-01-01.csv"
    path.write_text(
        "1,93576.0,0.5,46788.0,1735689600000123,True,True\n"
        "2,zero,0.5,46788.0,1735689600000124,False,True\n"
        "3,93576.5,0.5,46788.25,1735689600000125,False,True\n"
    )
    return path


def npz_file(directory: Path) -> Path:
    path = directory / "btcusdt_20240808.npz"
    ns = 1723161255_000_000_000
    rows = [
        [4, ns, ns, 1, 1.5, 2.0],
        [4, ns, ns, -1, 1.6, 3.0],
        [1, ns + 1_000, ns + 2_000, 1, 1.5, 0.0],
        [99, ns + 1_000, ns + 3_000, 1, 1.5, 1.0],
        [2, ns + 1_000, ns + 4_000, -1, 1.5, 1.0],
    ]
    np.savez(path, data=np.array(rows))
    return path


def cryptofeed_file(directory: Path) -> Path:
    path = directory / "BINANCE-1.0"
    path.write_text(
        "wss://stream.binance.com:9443/stream?streams=btcusdt@trade <-> 1723161255.0\n"
        "https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=1000 -> 1723161255.1: "
        '{"lastUpdateId":7,"bids":[["1.5","2"]],"asks":[["1.6","3"]]}\n'
        '1723161255.2: {"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255100,"s":"BTCUSDT",'
        '"U":8,"u":9,"b":[],"a":[["1.6","0"]]}}\n'
        "not a line of ours\n"
        '1723161255.3: {"e":"trade","s":"BTCUSDT","t":12,"p":"1.6","q":"10","T":1723161255200,"m":false}\n'
    )
    return path


IMPORTERS: list[tuple[Importer, Callable[[Path], Path], int, int]] = [
    (HftbacktestCollector(), collector_file, 3, 1),
    (HftbacktestNpz("BTCUSDT"), npz_file, 3, 1),
    (HummingbotTrades(), hummingbot_file, 2, 1),
    (Tardis(), tardis_file, 2, 1),
    (BinanceVision(), binance_vision_file, 2, 1),
    (Cryptofeed(), cryptofeed_file, 3, 1),
]
each = pytest.mark.parametrize(
    ("importer", "sample", "records", "rejects"), IMPORTERS, ids=[entry[0].name for entry in IMPORTERS]
)


@each
def test_every_row_is_a_record_or_a_reject_in_the_order_of_its_lines(
    importer: Importer, sample: Callable[[Path], Path], records: int, rejects: int, tmp_path: Path
) -> None:
    rows = list(importer.read(sample(tmp_path)))
    assert [sum(isinstance(row, kind) for row in rows) for kind in (Imported, Rejected)] == [records, rejects]
    assert [row.line for row in rows] == sorted({row.line for row in rows})


@each
def test_records_pass_their_feeds_schema(
    importer: Importer, sample: Callable[[Path], Path], records: int, rejects: int, tmp_path: Path
) -> None:
    encoders = {kind: Encoder(feed, VirtualClock()) for kind, feed in FEEDS.items()}
    rows = [row for row in importer.read(sample(tmp_path)) if isinstance(row, Imported)]
    assert len([encoders[row.kind].encode(row.record) for row in rows]) == records


@each
def test_reading_is_repeatable_lazy_and_keeps_no_state_between_files(
    importer: Importer, sample: Callable[[Path], Path], records: int, rejects: int, tmp_path: Path
) -> None:
    path = sample(tmp_path)
    first = list(importer.read(path))
    assert list(importer.read(path)) == first
    copy = pickle.loads(pickle.dumps(importer))
    assert list(copy.read(path)) == first
    reading = importer.read(path)
    assert next(reading) == first[0]
    reading.close()  # type: ignore[attr-defined]  # a generator: the file is closed with it


@each
def test_it_tells_of_every_byte_of_the_file(
    importer: Importer, sample: Callable[[Path], Path], records: int, rejects: int, tmp_path: Path
) -> None:
    path, told = sample(tmp_path), list[float]()
    assert len(list(importer.read(path, told.append))) == records + rejects
    assert sum(told) == pytest.approx(path.stat().st_size)


@each
def test_no_two_records_of_a_feed_begin_on_the_same_line(
    importer: Importer, sample: Callable[[Path], Path], records: int, rejects: int, tmp_path: Path
) -> None:
    begun = [(item.kind, item.line) for item in importer.read(sample(tmp_path)) if isinstance(item, Imported)]
    assert len(set(begun)) == len(begun) == records


@each
def test_the_same_files_in_any_order_make_the_same_days(
    importer: Importer, sample: Callable[[Path], Path], records: int, rejects: int, tmp_path: Path
) -> None:
    path = sample(tmp_path)
    other = path.with_name("z" + path.name)
    other.write_bytes(path.read_bytes())
    one = collect(importer, [path, other], max_reject_ratio=1.0)
    two = collect(importer, [other, path, path], max_reject_ratio=1.0)
    assert one.days == two.days
    assert sum(map(len, one.days.values())) == one.used


@each
def test_a_missing_file_and_a_foreign_one_are_named_errors(
    importer: Importer, sample: Callable[[Path], Path], records: int, rejects: int, tmp_path: Path
) -> None:
    with pytest.raises(UnreadableInput):
        list(importer.read(tmp_path / "absent"))
    foreign = tmp_path / "foreign"
    foreign.write_text("%PDF-1.7\nsomething else\n")
    with pytest.raises(NotThisFormat) as caught:
        next(importer.read(foreign))
    assert str(foreign) in caught.value.where
    assert caught.value.hint
