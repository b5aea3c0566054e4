"""Ids that go back, snapshots that lag, sides that are known only so deep. Ids and books are worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from calib.clock import NS_PER_MS, NS_PER_S
from calib.market import Action, BookStream, Connection, Delta, Reason, Resync, Snapshot, StreamSettings, StreamState

OLD: dict[str, Any] = {"bids": [("99", "1"), ("98", "1")], "asks": [("101", "1")]}
NEW = Delta([("99", "0"), ("98", "0"), ("97", "5")], [("101", "0"), ("100", "5")], 950, first_id=950)
"""The venue goes on from 950 after a failover: its book is 97 / 100."""


def make(rule: str = "range", **settings: Any) -> BookStream:
    link = Connection("c", silence_ns=10**12)
    stream = BookStream("X", link, random=lambda: 0.0, settings=StreamSettings(sequence_rule=rule, **settings))
    stream.connect(0)
    return stream


def feed(stream: BookStream, first: int, last: int, now_ns: int) -> int:
    """Deltas of the new numbering, 100 ms apart."""
    for update_id in range(first, last + 1):
        now_ns += 100 * NS_PER_MS
        stream.on_delta(Delta([("96", str(update_id))], [], update_id, first_id=update_id), now_ns)
    return now_ns


def test_a_lagging_copy_of_the_old_numbering_is_not_bridged_by_the_new_one() -> None:
    stream = make()
    stream.on_snapshot(Snapshot(**OLD, update_id=1000, epoch=stream.epoch), 0)
    stream.on_delta(Delta([], [], 1001, first_id=1001), 0)
    assert stream.on_delta(NEW, 1).action is Action.LOST
    copy = Snapshot(**OLD, update_id=1000, epoch=stream.epoch)
    assert stream.on_snapshot(copy, 2).action is Action.REFUSED
    now = feed(stream, 951, 1010, 2)
    assert not stream.live
    # 6 s later, when the new numbering has passed the old id, the copy still lags by less than half a minute
    assert stream.on_snapshot(copy._replace(epoch=stream.epoch), now).action is Action.REFUSED
    good = Snapshot([("97", "5"), ("96", "1010")], [("100", "5")], 1010, epoch=stream.epoch)
    assert stream.on_snapshot(good, now).action is Action.APPLIED
    feed(stream, 1011, 1011, now)
    view = stream.view(1)
    assert view is not None
    assert view.bids == ((97.0, 5.0),)


def test_half_a_minute_after_the_ids_went_back_every_snapshot_is_judged_by_its_id_alone() -> None:
    stream = make(copy_lag_ms=30_000)
    stream.on_delta(Delta([], [], 1001, first_id=1001), 0)
    stream.on_delta(NEW, 1)
    snapshot = Snapshot([("97", "5")], [("100", "5")], 950, epoch=stream.epoch)
    assert stream.on_snapshot(snapshot, 30 * NS_PER_S).action is Action.REFUSED
    snapshot = snapshot._replace(epoch=stream.epoch)
    assert stream.on_snapshot(snapshot, 30 * NS_PER_S + 2).action is Action.APPLIED


def test_ids_that_go_back_under_a_snapshot_that_waits_for_its_bridge_are_a_rewind() -> None:
    """Deltas up to its id were seen and dropped; the new numbering must not be dropped as old too."""
    stream = make()
    stream.on_snapshot(Snapshot(**OLD, update_id=1000, epoch=stream.epoch), 0)
    stream.on_delta(Delta([("98", "1")], [], 1000, first_id=1000), 0)
    outcome = stream.on_delta(NEW, 1)
    assert outcome.action is Action.LOST
    assert stream.counts[Reason.REWIND] == 1
    feed(stream, 951, 1001, 1)
    assert not stream.live


def test_the_highest_id_is_remembered_over_a_reconnect() -> None:
    stream = make()
    stream.on_snapshot(Snapshot(**OLD, update_id=1000, epoch=stream.epoch), 0)
    stream.on_delta(Delta([], [], 1001, first_id=1001), 0)
    stream.disconnect(1)
    stream.connect(2)
    stream.on_delta(NEW, 3)
    assert stream.on_snapshot(Snapshot(**OLD, update_id=1000, epoch=stream.epoch), 4).action is Action.REFUSED


# -- a newer snapshot, and one of another numbering


def test_a_book_behind_a_snapshot_is_served_again_when_its_deltas_have_reached_it() -> None:
    stream = make()
    stream.on_snapshot(Snapshot(**OLD, update_id=100), 0)
    stream.on_snapshot(Snapshot([("97", "1")], [("101", "1")], 103, epoch=stream.epoch), 1)
    assert (stream.state_at(1), stream.view(1)) == (StreamState.SYNCING, None)
    for update_id in (101, 102):
        stream.on_delta(Delta([("98", "2")], [], update_id, first_id=update_id), 2)
        assert stream.view(1) is None
    stream.on_delta(Delta([("99", "0")], [], 103, first_id=103), 3)
    view = stream.view(2)
    assert view is not None
    assert (view.bids, view.update_id) == (((98.0, 2.0),), 103)


def test_a_snapshot_whose_ids_are_of_another_numbering_does_not_take_a_flawless_book_away() -> None:
    """Bybit: the REST ids are those of the 1000-level stream, ten times as high."""
    stream = make("contiguous", bridge_wait_ms=1_000)
    stream.on_snapshot(Snapshot(**OLD, update_id=100), 0)
    stream.on_snapshot(Snapshot(**OLD, update_id=10**6, epoch=stream.epoch), 0)
    for update_id in range(101, 120):
        stream.on_delta(Delta([("98", "2")], [], update_id), (update_id - 100) * 100 * NS_PER_MS)
    assert stream.live
    assert stream.on_snapshot(Snapshot(**OLD, update_id=10**6 + 1, epoch=stream.epoch), 2 * NS_PER_S).effects == ()
    assert stream.live


# -- what is known of a side


def cut(**settings: Any) -> BookStream:
    """LIVE at id 10 with a snapshot of 3 levels a side, out of a book of more."""
    stream = make("contiguous", **settings)
    bids = [("100", "1"), ("99", "1"), ("98", "1")]
    asks = [("101", "1"), ("102", "1"), ("103", "1")]
    stream.on_snapshot(Snapshot(bids, asks, 9, epoch=stream.epoch, depth=3), 0)
    stream.on_delta(Delta([], [], 10), 0)
    assert stream.live
    return stream


def test_a_view_deeper_than_what_is_known_of_a_side_is_none() -> None:
    stream = cut()
    assert (stream.known_depth, stream.view(4)) == (3, None)
    stream.on_delta(Delta([("100", "0"), ("90", "1")], [], 11), 1)  # between 98 and 90 there may be others
    assert (stream.known_depth, stream.view(3)) == (2, None)
    view = stream.view(2)
    assert view is not None
    assert view.bids == ((99.0, 1.0), (98.0, 1.0))
    stream.on_delta(Delta([("99.5", "1")], [], 12), 2)
    assert stream.known_depth == 3


def test_a_side_that_lost_all_that_was_known_is_not_live() -> None:
    stream = cut()
    stream.on_delta(Delta([("90", "1"), ("100", "0"), ("99", "0")], [], 11), 1)
    assert stream.live
    outcome = stream.on_delta(Delta([("98", "0")], [], 12), 2)
    assert outcome.action is Action.LOST
    assert (stream.counts[Reason.DEPTH], stream.view(1)) == (1, None)


def test_a_side_with_fewer_levels_than_were_asked_for_is_known_whole() -> None:
    stream = make("contiguous")
    stream.on_snapshot(Snapshot([("100", "1")], [("101", "1"), ("102", "1")], 9, epoch=1, depth=3), 0)
    stream.on_delta(Delta([("100", "0"), ("99", "1")], [("101", "0")], 10), 0)
    view = stream.view(50)
    assert view is not None
    assert (view.bids, view.asks) == (((99.0, 1.0),), ((102.0, 1.0),))


def test_a_snapshot_asked_for_behind_a_live_book_makes_it_known_to_its_depth_again() -> None:
    stream = cut()
    stream.on_delta(Delta([("100", "0"), ("99", "0")], [], 11), 1)
    assert stream.is_thin
    (resync,) = stream.request_snapshot(Reason.DEPTH, 2).effects
    assert isinstance(resync, Resync)
    assert stream.request_snapshot(Reason.DEPTH, 2).effects == ()  # one at a time
    stream.on_delta(Delta([("98", "7")], [], 12), 3)
    stream.on_delta(Delta([], [("101", "4")], 13), 4)
    snapshot = Snapshot([("98", "7"), ("97", "1"), ("96", "1")], [("101", "1"), ("102", "1"), ("103", "1")], 12)
    assert stream.on_snapshot(snapshot._replace(epoch=resync.epoch, depth=3), 5).action is Action.CONFIRMED
    view = stream.view(3)
    assert view is not None
    assert (view.update_id, view.bids) == (13, ((98.0, 7.0), (97.0, 1.0), (96.0, 1.0)))
    assert view.asks[0] == (101.0, 4.0)


def test_levels_beyond_a_subscriptions_depth_are_known_by_the_subscription() -> None:
    stream = cut(keep_levels=3)
    assert stream.view(3) is not None
    stream.on_delta(Delta([("100", "0"), ("97", "1")], [], 11), 1)  # the venue sends what comes into the depth
    view = stream.view(3)
    assert view is not None
    assert view.bids == ((99.0, 1.0), (98.0, 1.0), (97.0, 1.0))


# -- doubts


def test_doubts_about_a_stream_that_is_getting_in_sync_cost_nothing() -> None:
    stream = make()
    stream.on_delta(Delta([], [], 1, first_id=1), 0)
    before = (stream.epoch, stream.buffered, stream.state_at(0))
    for reason in (Reason.MANUAL, Reason.PRICE_JUMP, Reason.WS_GAP):
        for _ in range(20):
            assert stream.drop(reason, 1).effects == ()
            assert stream.request_snapshot(reason, 1).effects == ()
    assert (stream.epoch, stream.buffered, stream.state_at(0)) == before


def test_a_price_jump_is_heard_once_in_the_pause_of_doubts() -> None:
    stream = make(doubt_pause_ms=1_000)
    stream.on_snapshot(Snapshot(**OLD, update_id=1), 0)
    assert stream.drop(Reason.PRICE_JUMP, 0).effects != ()
    stream.on_snapshot(Snapshot(**OLD, update_id=2), 1)
    assert stream.drop(Reason.PRICE_JUMP, 999 * NS_PER_MS).effects == ()
    assert stream.drop(Reason.PRICE_JUMP, 1_000 * NS_PER_MS).effects != ()


def test_resync_begins_the_attempts_of_a_failed_stream_again_and_keeps_a_live_book() -> None:
    stream = make()
    for _ in range(20):
        stream.resync_failed(stream.epoch, 1)
    assert stream.state_at(1) is StreamState.FAILED
    (resync,) = stream.resync(1).effects
    assert isinstance(resync, Resync)
    assert (resync.attempt, resync.delay_ns, stream.state_at(1)) == (1, 0, StreamState.GAP)
    stream.on_snapshot(Snapshot(**OLD, update_id=1), 2)
    assert [type(effect) for effect in stream.resync(3).effects] == [Resync]
    assert stream.live
    stream.disconnect(4)
    assert stream.resync(5).effects == ()


# -- rules without a snapshot beside the stream


def test_rule_checksum_follows_the_order_and_is_judged_by_the_content() -> None:
    class Sum:
        def holds(self, book: Any, message: Any) -> bool:
            return message.checksum in (None, sum(book.size))

    link = Connection("c", silence_ns=10**12)
    stream = BookStream(
        "X",
        link,
        random=lambda: 0.0,
        settings=StreamSettings(sequence_rule="checksum", snapshots="stream"),
        checksum=Sum(),
    )
    stream.connect(0)
    stream.on_snapshot(Snapshot(**OLD, update_id=0, checksum=3), 0)
    assert stream.on_delta(Delta([("97", "1")], [], 0, checksum=4), 1).action is Action.APPLIED
    assert stream.on_delta(Delta([("97", "0")], [], 0, checksum=4), 2).action is Action.LOST
    assert stream.counts[Reason.CHECKSUM] == 1


@pytest.mark.parametrize(("update_id", "action"), [(11, Action.APPLIED), (900, Action.APPLIED), (9, Action.LOST)])
def test_rule_rising_takes_any_step_up(update_id: int, action: Action) -> None:
    stream = make("rising")
    stream.on_snapshot(Snapshot(**OLD, update_id=10), 0)
    assert stream.on_delta(Delta([], [("102", "1")], update_id), 1).action is action


def test_a_price_of_zero_without_a_quantity_advances_the_id_alone() -> None:
    stream = make("contiguous")
    stream.on_snapshot(Snapshot(**OLD, update_id=10), 0)
    prices: list[Any] = ["0", 0, 0.0, "0.0"]
    for update_id, price in enumerate(prices, start=11):
        stream.on_delta(Delta([], [(price, "0")], update_id), 1)
        assert stream.last_id == update_id
    assert stream.on_delta(Delta([], [("0", "1")], 15), 1).action is Action.LOST
