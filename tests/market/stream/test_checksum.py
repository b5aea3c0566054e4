"""Checksums against the venues' published examples."""

from __future__ import annotations

import zlib
from decimal import Decimal
from typing import Any

import pytest

from calib.clock import NS_PER_MS
from calib.market import (
    BookStream,
    Connection,
    Delta,
    Invalidated,
    KrakenChecksum,
    OkxChecksum,
    OrderBook,
    Reason,
    Snapshot,
    StreamSettings,
)

# The book of Kraken's own example (WebSocket v1 guide): its CRC32 is 974947235.
KRAKEN_ASKS = [(f"0.0{5005 + 5 * rank}", "0.00000500") for rank in range(10)]
KRAKEN_BIDS = [(f"0.0{price}", "0.00000500") for price in (5000, 4995, 4990, 4980, 4975, 4970, 4965, 4960, 4955, 4950)]
KRAKEN_CRC = 974_947_235


def book_of(bids: Any, asks: Any) -> OrderBook:
    book = OrderBook("X")
    book.snapshot(bids, asks, 1)
    return book


def as_numbers(side: list[tuple[str, str]], kind: type) -> list[tuple[Any, Any]]:
    return [(kind(price), kind(qty)) for price, qty in side]


@pytest.mark.parametrize("kind", [str, float, Decimal])
def test_kraken_the_published_example(kind: type) -> None:
    bids, asks = as_numbers(KRAKEN_BIDS, kind), as_numbers(KRAKEN_ASKS, kind)
    check = KrakenChecksum(price_decimals=5, qty_decimals=8)
    message = Snapshot(bids[::-1], [*asks, (kind("0.9"), kind("5"))], 1, checksum=KRAKEN_CRC)  # the 11th does not count
    book = book_of(message.bids, message.asks)
    assert check.holds(book, message)
    assert not check.holds(book, message._replace(checksum=KRAKEN_CRC + 1))


@pytest.mark.parametrize(
    ("bids", "asks", "crc"),
    [
        ([("3366.1", "7"), ("3366", "6")], [("3366.8", "9"), ("3368", "8")], -1_881_014_294),
        ([("3366.1", "7")], [("3366.8", "9"), ("3368", "8"), ("3372", "8")], 831_078_360),
    ],
)
def test_okx_the_published_examples(bids: Any, asks: Any, crc: int) -> None:
    message = Snapshot(bids, asks, 1, checksum=crc)
    assert OkxChecksum().holds(book_of(bids, asks), message)
    assert OkxChecksum().holds(book_of(bids, asks), message._replace(checksum=crc % 2**32))
    assert not OkxChecksum().holds(book_of(bids, asks[:1]), message._replace(asks=asks[:1]))


def test_okx_takes_25_levels_of_each_side_and_keeps_the_texts_of_the_venue() -> None:
    bids = [(f"{1_000 - rank}.0", f"{rank + 1}.50") for rank in range(30)]
    asks = [(f"{1_001 + rank}.0", "2") for rank in range(27)]
    parts = []
    for bid, ask in zip(bids[:25], asks[:25], strict=True):
        parts += [*bid, *ask]
    crc = zlib.crc32(":".join(parts).encode())
    assert OkxChecksum().holds(book_of(bids, asks), Snapshot(bids, asks, 1, checksum=crc))


def test_the_texts_follow_the_deltas() -> None:
    check, book = OkxChecksum(), OrderBook("X")
    first = Snapshot([("10.0", "1"), ("9.0", "1")], [("11.0", "1")], 1)
    book.snapshot(first.bids, first.asks, 1)
    assert check.holds(book, first)
    change = Delta([("10.00", "0"), ("9", "2.50")], [], 2, checksum=zlib.crc32(b"9:2.50:11.0:1"))
    book.delta(change.bids, change.asks, 2)
    assert check.holds(book, change)


def test_the_texts_of_trimmed_levels_do_not_pile_up() -> None:
    check, book = KrakenChecksum(), OrderBook("X", keep_levels=10)
    for step in range(5_000):
        change = Delta([(f"{100 + step}.0", "1")], [], step)
        book.delta(change.bids, change.asks, step)
        check.holds(book, change)
    assert len(check._texts._sides[0]) < 200


def test_a_wrong_checksum_puts_the_book_out_of_sync() -> None:
    link = Connection("x", silence_ns=300 * NS_PER_MS)
    stream = BookStream(
        "X", link, random=lambda: 0.0, settings=StreamSettings(snapshots="stream"), checksum=KrakenChecksum()
    )
    stream.connect(0)
    stream.on_snapshot(Snapshot(KRAKEN_BIDS, KRAKEN_ASKS, 1, checksum=KRAKEN_CRC), 1)
    assert stream.live
    stream.on_delta(Delta([("0.04990", "0.00000500")], [], 2, checksum=KRAKEN_CRC), 2)
    assert stream.live
    outcome = stream.on_delta(Delta([("0.04990", "0.00000501")], [], 3, checksum=KRAKEN_CRC), 3)
    assert outcome.effects[0] == Invalidated(Reason.CHECKSUM)
    assert stream.view(1) is None


def test_a_snapshot_with_a_wrong_checksum_is_not_served() -> None:
    link = Connection("x", silence_ns=300 * NS_PER_MS)
    stream = BookStream("X", link, random=lambda: 0.0, checksum=KrakenChecksum())
    stream.connect(0)
    stream.on_snapshot(Snapshot(KRAKEN_BIDS, KRAKEN_ASKS, 1, checksum=5), 1)
    assert stream.view(1) is None
    assert stream.counts[Reason.CHECKSUM] == 1
