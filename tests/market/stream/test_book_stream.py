"""The stream, one trap at a time. Ids and books are worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from calib.clock import NS_PER_MS
from calib.errors import ConfigError
from calib.market import (
    Action,
    Backoff,
    BookStream,
    Connection,
    Delta,
    Failed,
    Invalidated,
    Outcome,
    Reason,
    Resync,
    Snapshot,
    StreamSettings,
    StreamState,
)

BIDS, ASKS = [("99", "1"), ("98", "2")], [("101", "1"), ("102", "2")]


def make(rule: str = "range", **settings: Any) -> BookStream:
    """A connected stream; its first resync has been started."""
    link = Connection("link", silence_ns=300 * NS_PER_MS)
    stream = BookStream("X", link, random=lambda: 0.5, settings=StreamSettings(sequence_rule=rule, **settings))
    stream.connect(0)
    if stream.settings.snapshots == "rest":
        assert stream.resync_started(stream.epoch, 0)
    return stream


def live(rule: str = "range", last: int = 100, **settings: Any) -> BookStream:
    """A stream that went LIVE at time 0 with the book BIDS / ASKS at id ``last``."""
    stream = make(rule, **settings)
    assert stream.on_snapshot(Snapshot(BIDS, ASKS, last), 0).action is Action.APPLIED
    assert stream.live
    return stream


def delta(first: int, last: int, prev: int | None = None, bids: Any = (), asks: Any = ()) -> Delta:
    return Delta(list(bids), list(asks), last, first, prev)


def resync_of(outcome: Outcome) -> Resync:
    (effect,) = (effect for effect in outcome.effects if isinstance(effect, Resync))
    return effect


# -- the traps of the field, by name


@pytest.mark.parametrize("rule", ["range", "previous"])
def test_an_overlapping_first_event_does_not_force_an_extra_snapshot(rule: str) -> None:
    stream = make(rule)
    stream.on_delta(delta(95, 105, 94, bids=[("99", "7")]), 1)
    outcome = stream.on_snapshot(Snapshot(BIDS, ASKS, 100, stream.epoch), 2)
    assert outcome == Outcome(Action.APPLIED)
    assert stream.state_at(2) is StreamState.LIVE
    view = stream.view(1)
    assert view is not None
    assert (view.update_id, view.bids) == (105, ((99.0, 7.0),))


@pytest.mark.parametrize("rule", ["range", "previous"])
def test_old_deltas_are_not_applied_over_a_newer_snapshot(rule: str) -> None:
    stream = make(rule)
    stream.on_delta(delta(90, 95, 89, bids=[("99", "0"), ("50", "9")]), 1)
    stream.on_delta(delta(96, 99, 95, bids=[("98", "0")]), 2)
    stream.on_snapshot(Snapshot(BIDS, ASKS, 100, stream.epoch), 3)
    assert stream.view(1) is None  # not bridged: nobody knows yet whether 101 follows
    assert stream.on_delta(delta(98, 99, 97, bids=[("99", "0")]), 4).action is Action.DROPPED
    assert stream.on_delta(delta(100, 101, 99), 5).action is Action.APPLIED
    view = stream.view(5)
    assert view is not None
    assert view.bids == ((99.0, 1.0), (98.0, 2.0))


@pytest.mark.parametrize(
    ("rule", "message"),
    [("contiguous", Delta([], [], 102)), ("range", delta(102, 103)), ("previous", delta(102, 103, 101))],
)
def test_continuity_is_checked_on_every_delta(rule: str, message: Delta) -> None:
    stream = live(rule)
    outcome = stream.on_delta(message, 5)
    assert outcome.action is Action.LOST
    assert outcome.effects[0] == Invalidated(Reason.WS_GAP)
    assert isinstance(outcome.effects[1], Resync)


def test_a_book_is_not_served_after_a_gap() -> None:
    stream = live()
    stream.on_delta(delta(103, 104), 5)
    assert stream.view(1) is None
    assert stream.state_at(5) is StreamState.GAP
    assert stream.on_delta(delta(105, 106), 6).action is Action.BUFFERED
    assert stream.view(1) is None
    assert stream.book.size == (0, 0)
    assert stream.last_id is stream.book_age_ns(6) is None


def test_no_ghost_levels_after_a_reconnect() -> None:
    stream = live()
    stream.on_delta(delta(101, 101, bids=[("97", "5")]), 1)
    outcome = stream.connect(10)
    assert outcome.effects[0] == Invalidated(Reason.RECONNECT)
    assert stream.view(9) is None
    stream.on_delta(delta(201, 202), 11)
    stream.on_snapshot(Snapshot([("98", "2")], [("101", "1")], 200, stream.epoch), 12)
    view = stream.view(9)
    assert view is not None
    assert view.bids == ((98.0, 2.0),)


def test_a_snapshot_25_to_30_s_behind_leads_to_no_endless_resync() -> None:
    """Deltas arrive from second 0 on, ten a second; every snapshot shows the book of 28 seconds before."""
    stream = make(backoff=Backoff(base_ms=250, cap_ms=30_000, max_attempts=10))
    requests = 1
    fetch_at: int | None = 0
    for tenth in range(1, 1_200):
        now = tenth * 100 * NS_PER_MS
        stream.on_delta(delta(1_000 + tenth, 1_000 + tenth), now)
        if stream.live:
            break
        if fetch_at is not None and now >= fetch_at:
            stream.resync_started(stream.epoch, now)
            outcome = stream.on_snapshot(Snapshot(BIDS, ASKS, 1_000 + tenth - 280, stream.epoch), now)
            requests += 1
            fetch_at = now + resync_of(outcome).delay_ns if outcome.effects else None
    assert stream.live
    assert stream.last_id == 1_000 + tenth
    assert tenth < 700  # within 70 s
    assert requests <= 9


def test_a_flapping_stream_starts_no_resubscribe_storm() -> None:
    """It comes back and is lost again at once, over and over: the waits grow all the same."""
    stream = live(backoff=Backoff(base_ms=100, cap_ms=60_000, max_attempts=8))
    now, waits = 0, []
    for _ in range(7):
        now += 1_000 * NS_PER_MS
        resync = resync_of(stream.on_delta(delta(500, 501), now))
        waits.append(resync.delay_ns / NS_PER_MS)
        stream.on_snapshot(Snapshot(BIDS, ASKS, 100), now)
    assert waits == [0.75 * 200 * 2**n for n in range(7)]


def test_while_a_snapshot_is_awaited_further_gaps_ask_for_no_other() -> None:
    stream = live()
    resync_of(stream.on_delta(delta(200, 201), 1))
    for number in range(100):
        assert stream.on_delta(delta(300 + 10 * number, 301 + 10 * number), 2).effects == ()


def test_a_socket_alive_but_silent_is_suspect_and_its_feed_age_grows() -> None:
    stream = live()
    hour = 3_600_000 * NS_PER_MS
    assert stream.state_at(300 * NS_PER_MS) is StreamState.LIVE
    assert stream.state_at(301 * NS_PER_MS) is StreamState.SUSPECT
    assert stream.state_at(hour) is StreamState.SUSPECT
    assert stream.feed_age_ns(hour) == hour
    assert stream.view(1) is not None  # kept: its owner decides by the age whom it may serve


def test_a_quiet_pair_on_a_living_connection_raises_no_false_stale_alarm() -> None:
    stream = live()
    for tenth in range(1, 600):  # a minute of other symbols' frames, none of ours
        stream.connection.alive(tenth * 100 * NS_PER_MS)
    now = 599 * 100 * NS_PER_MS
    assert stream.state_at(now) is StreamState.LIVE
    assert stream.feed_age_ns(now) == 0
    assert stream.book_age_ns(now) == now


# -- silence


def test_after_a_silence_a_ping_does_not_make_the_book_live_but_the_next_continuing_delta_does() -> None:
    stream = live()
    stream.connection.alive(500 * NS_PER_MS)
    assert stream.state_at(500 * NS_PER_MS) is StreamState.SUSPECT
    assert stream.on_delta(delta(101, 102), 510 * NS_PER_MS) == Outcome(Action.APPLIED)
    assert stream.state_at(510 * NS_PER_MS) is StreamState.LIVE


def test_after_a_silence_a_gap_is_a_gap() -> None:
    stream = live()
    assert stream.on_delta(delta(103, 104), 5_000 * NS_PER_MS).effects[0] == Invalidated(Reason.WS_GAP)


# -- snapshots


def test_a_late_snapshot_of_an_older_epoch_is_refused() -> None:
    stream = make()
    old = stream.epoch
    stream.connect(5)
    stream.on_delta(delta(101, 102), 6)
    assert stream.on_snapshot(Snapshot(BIDS, ASKS, 100, old), 7) == Outcome(Action.REFUSED)
    assert stream.view(1) is None
    assert stream.counts["late_snapshot"] == 1


def test_a_snapshot_asked_for_before_the_book_was_lost_is_refused() -> None:
    stream = live()
    old = stream.epoch
    stream.on_delta(delta(110, 111), 1)
    assert stream.on_snapshot(Snapshot(BIDS, ASKS, 109, old), 2) == Outcome(Action.REFUSED)
    assert stream.on_snapshot(Snapshot(BIDS, ASKS, 109, stream.epoch), 3).action is Action.APPLIED
    assert stream.live


def test_a_snapshot_older_than_the_buffer_is_refused_and_the_buffer_kept() -> None:
    stream = make()
    stream.on_delta(delta(101, 105), 1)
    outcome = stream.on_snapshot(Snapshot(BIDS, ASKS, 99, stream.epoch), 2)
    assert outcome.action is Action.REFUSED
    assert resync_of(outcome).reason is Reason.STALE_SNAPSHOT
    assert (stream.buffered, stream.view(1)) == (1, None)
    assert stream.on_snapshot(Snapshot(BIDS, ASKS, 100, stream.epoch), 3).action is Action.APPLIED
    assert stream.last_id == 105


def test_a_buffer_that_overflows_keeps_the_newest_and_asks_for_a_newer_snapshot() -> None:
    stream = make(buffer_deltas=3)
    for update_id in range(101, 111):
        stream.on_delta(delta(update_id, update_id), 1)
    assert stream.buffered == 3
    assert stream.on_snapshot(Snapshot(BIDS, ASKS, 106, stream.epoch), 2).action is Action.REFUSED
    assert stream.on_snapshot(Snapshot(BIDS, ASKS, 107, stream.epoch), 3).action is Action.APPLIED
    assert stream.last_id == 110


def test_the_buffer_is_bounded_in_levels_too() -> None:
    stream = make(buffer_levels=10)
    for update_id in range(101, 201):
        stream.on_delta(delta(update_id, update_id, bids=[("1", "1")] * 4), 1)
    assert stream.buffered == 2


@pytest.mark.parametrize("where", ["snapshot", "waiting delta", "delta"])
def test_a_crossed_book_is_never_served(where: str) -> None:
    crossing = [("101.5", "1")]
    stream = make()
    if where == "waiting delta":
        stream.on_delta(delta(101, 101, bids=crossing), 1)
    bids = BIDS + crossing if where == "snapshot" else BIDS
    outcome = stream.on_snapshot(Snapshot(bids, ASKS, 100, stream.epoch), 2)
    if where == "delta":
        stream.on_delta(delta(101, 101), 3)
        assert stream.live
        outcome = stream.on_delta(delta(102, 102, bids=crossing), 4)
        assert outcome.effects[0] == Invalidated(Reason.CROSSED)
    assert outcome.action is Action.LOST
    assert resync_of(outcome).reason is Reason.CROSSED
    assert stream.view(1) is None


def test_a_locked_book_is_served_venues_show_it_46_percent_of_the_time() -> None:
    stream = live()
    assert stream.on_delta(delta(101, 101, bids=[("101", "4")]), 1) == Outcome(Action.APPLIED)
    view = stream.view(1)
    assert view is not None
    assert view.spread_bps == 0


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (delta(98, 99), Reason.REWIND),
        (delta(99, 100), Reason.DUPLICATE),
        (delta(101, 101, bids=[("x", 1)]), Reason.BAD_LEVEL),
    ],
)
def test_what_cannot_follow_puts_the_book_out_of_sync(message: Delta, reason: Reason) -> None:
    stream = live()
    outcome = stream.on_delta(message, 1)
    assert outcome.effects[0] == Invalidated(reason)
    assert resync_of(outcome).reason is reason
    assert stream.view(1) is None
    assert stream.counts[reason] == 1


def test_a_snapshot_with_a_level_that_is_none_is_refused_and_asked_for_again() -> None:
    stream = make()
    outcome = stream.on_snapshot(Snapshot([("1", "-1")], ASKS, 100, stream.epoch), 1)
    assert outcome.action is Action.LOST
    assert resync_of(outcome).reason is Reason.BAD_LEVEL


def test_a_snapshot_beside_a_live_book_never_overwrites_it() -> None:
    stream = live()
    outcome = stream.on_snapshot(Snapshot([("50", "1")], [("60", "1")], 100, stream.epoch), 1)
    assert outcome == Outcome(Action.CONFIRMED)
    view = stream.view(1)
    assert view is not None
    assert view.bids == ((99.0, 1.0),)


def test_a_newer_snapshot_beside_a_live_book_starts_a_resync_from_itself() -> None:
    stream = live()
    outcome = stream.on_snapshot(Snapshot([("50", "1")], [("60", "1")], 110, stream.epoch), 1)
    assert outcome.effects == (Invalidated(Reason.BEHIND),)
    assert stream.state_at(1) is StreamState.SYNCING
    assert stream.on_delta(delta(105, 110), 2).action is Action.DROPPED
    assert stream.on_delta(delta(111, 112), 3).action is Action.APPLIED
    assert stream.last_id == 112


def test_an_older_snapshot_does_not_overwrite_one_that_waits_for_its_bridge() -> None:
    stream = make()
    stream.on_snapshot(Snapshot(BIDS, ASKS, 110, stream.epoch), 1)
    stream.on_delta(delta(101, 110), 2)
    assert stream.on_snapshot(Snapshot(BIDS, ASKS, 105, stream.epoch), 3) == Outcome(Action.REFUSED)
    assert stream.on_delta(delta(111, 111), 4).action is Action.APPLIED
    assert stream.last_id == 111


def test_what_waited_behind_a_crossing_delta_is_kept_for_the_next_snapshot() -> None:
    stream = make()
    stream.on_delta(delta(101, 101, bids=[("101.5", "1")]), 1)
    stream.on_delta(delta(102, 102), 1)
    stream.on_delta(delta(103, 103), 1)
    assert stream.on_snapshot(Snapshot(BIDS, ASKS, 100, stream.epoch), 2).action is Action.LOST
    assert stream.buffered == 3
    assert stream.on_snapshot(Snapshot(BIDS, ASKS, 101, stream.epoch), 3).action is Action.APPLIED
    assert stream.last_id == 103


def test_deltas_that_never_reach_the_snapshot_end_in_another_attempt() -> None:
    """A snapshot from the future (of other numbering, say) would otherwise make every delta old for ever."""
    stream = make(bridge_wait_ms=1_000)
    stream.on_snapshot(Snapshot(BIDS, ASKS, 10**9, stream.epoch), 0)
    assert stream.on_delta(delta(101, 102), 1_000 * NS_PER_MS).action is Action.DROPPED
    outcome = stream.on_delta(delta(103, 104), 1_001 * NS_PER_MS)
    assert resync_of(outcome).reason is Reason.UNBRIDGED


def test_ids_that_go_back_while_buffering_void_the_snapshot_that_is_under_way() -> None:
    stream = make()
    old = stream.epoch
    stream.on_delta(delta(1_001, 1_002), 1)
    outcome = stream.on_delta(delta(5, 6), 2)
    assert resync_of(outcome).epoch == stream.epoch != old
    assert stream.on_snapshot(Snapshot(BIDS, ASKS, 1_000, old), 3) == Outcome(Action.REFUSED)
    assert stream.on_snapshot(Snapshot(BIDS, ASKS, 4, stream.epoch), 4).action is Action.APPLIED
    assert stream.last_id == 6


# -- restarts and pushed snapshots


def test_bybit_a_pushed_snapshot_with_id_1_overwrites_the_book() -> None:
    stream = live("contiguous", 5_000)
    outcome = stream.on_snapshot(Snapshot([("50", "1")], [("51", "1")], 1), 1)
    assert outcome == Outcome(Action.APPLIED, (Invalidated(Reason.RESTART),))
    assert stream.on_delta(Delta([("50", "0"), ("49", "2")], [], 2), 2).action is Action.APPLIED
    view = stream.view(5)
    assert view is not None
    assert (view.bids, view.asks) == (((49.0, 2.0),), ((51.0, 1.0),))


def test_a_delta_with_id_1_is_a_restart_whose_book_is_not_known() -> None:
    stream = live("contiguous", 5_000)
    outcome = stream.on_delta(Delta([("50", "1")], [], 1), 1)
    assert outcome.effects[0] == Invalidated(Reason.RESTART)
    assert stream.view(1) is None


@pytest.mark.parametrize("before", ["live", "buffering"])
def test_okx_a_message_with_previous_id_minus_1_is_a_whole_book(before: str) -> None:
    stream = live("previous", 100) if before == "live" else make("previous")
    if before == "buffering":
        stream.on_delta(Delta([("1", "1")], [], 90, prev_id=80), 0)
    stream.on_delta(Delta([("50", "1")], [("51", "1")], 777, prev_id=-1), 1)
    assert stream.on_delta(Delta([], [], 777, prev_id=777), 2).action is Action.APPLIED  # a heartbeat
    view = stream.view(5)
    assert view is not None
    assert (view.bids, view.update_id) == (((50.0, 1.0),), 777)


def test_a_venue_that_pushes_snapshots_is_not_asked_at_once() -> None:
    stream = make("contiguous", snapshots="stream", snapshot_wait_ms=5_000)
    resync = resync_of(stream.connect(10))
    assert resync.delay_ns == 5_000 * NS_PER_MS
    stream.on_snapshot(Snapshot(BIDS, ASKS, 7), 20)
    assert stream.live
    assert not stream.resync_started(resync.epoch, 5_000 * NS_PER_MS)  # no longer wanted


# -- attempts


def test_attempts_back_off_with_a_cap_then_it_has_failed_serves_nothing_and_goes_on_trying() -> None:
    stream = make(backoff=Backoff(base_ms=100, cap_ms=1_000, max_attempts=6))
    delays = []
    for _ in range(5):
        outcome = stream.resync_failed(stream.epoch, 1)
        assert stream.state_at(1) is StreamState.GAP
        delays.append(resync_of(outcome).delay_ns / NS_PER_MS)
        assert stream.resync_started(stream.epoch, 1)
        assert stream.state_at(1) is StreamState.SYNCING
    assert delays == [150.0, 300.0, 600.0, 750.0, 750.0]  # three quarters of 200, 400, 800, then of the cap
    alarm, resync = stream.resync_failed(stream.epoch, 2).effects
    assert alarm == Failed(6, Reason.NO_SNAPSHOT)
    for _ in range(50):
        assert isinstance(resync, Resync)
        assert (resync.delay_ns, stream.state_at(2), stream.view(1)) == (750 * NS_PER_MS, StreamState.FAILED, None)
        assert stream.resync_started(stream.epoch, 3)
        assert stream.state_at(3) is StreamState.FAILED  # one alarm, however long it lasts
        (resync,) = stream.resync_failed(stream.epoch, 3).effects
    assert stream.on_delta(delta(101, 102), 3).action is Action.BUFFERED
    assert stream.on_snapshot(Snapshot(BIDS, ASKS, 100, stream.epoch), 3).action is Action.APPLIED
    assert (stream.state_at(3), stream.last_id) == (StreamState.LIVE, 102)


def test_a_book_that_was_stable_starts_the_backoff_anew() -> None:
    stream = live(stable_ms=10_000, backoff=Backoff(base_ms=100))
    stream.resync_failed(stream.epoch, 1)  # says nothing to a live book
    assert resync_of(stream.on_delta(delta(500, 501), 10_000 * NS_PER_MS)).attempt == 1


@pytest.mark.parametrize(("draw", "ms"), [(0.0, 0.0), (0.5, 125.0), (0.999, 249.75)])
def test_the_first_wait_is_spread_from_zero_so_that_a_thousand_symbols_do_not_ask_together(
    draw: float, ms: float
) -> None:
    assert Backoff().delay_ns(1, lambda: draw) == round(ms * NS_PER_MS)


def test_a_resync_of_an_older_epoch_is_not_started_and_its_failure_says_nothing() -> None:
    stream = make()
    old = stream.epoch
    stream.connect(1)
    assert not stream.resync_started(old, 2)
    assert stream.resync_failed(old, 2) == Outcome(Action.DROPPED)


# -- connection


def test_without_a_connection_nothing_is_served_and_nothing_taken_in() -> None:
    stream = live()
    assert stream.disconnect(1).effects == (Invalidated(Reason.DISCONNECT),)
    assert stream.state_at(1) is StreamState.DOWN
    assert stream.on_delta(delta(101, 102), 2) == Outcome(Action.DROPPED)
    assert stream.on_snapshot(Snapshot(BIDS, ASKS, 100), 2) == Outcome(Action.REFUSED)
    assert stream.view(1) is None
    assert stream.disconnect(3).effects == ()


def test_time_out_of_sync_is_summed() -> None:
    stream = make()
    stream.on_snapshot(Snapshot(BIDS, ASKS, 100), 40)
    stream.on_delta(delta(500, 501), 100)
    assert stream.out_of_sync_ns(130) == 40 + 30
    stream.on_snapshot(Snapshot(BIDS, ASKS, 100), 150)
    assert stream.out_of_sync_ns(1_000) == 40 + 50


@pytest.mark.parametrize(
    "wrong",
    [
        {"sequence_rule": "hopeful"},
        {"snapshots": "post"},
        {"stable_ms": -1},
        {"bridge_wait_ms": float("nan")},
        {"buffer_deltas": 0},
    ],
)
def test_settings_out_of_range_name_the_key_and_what_is_allowed(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"{next(iter(wrong))}.*Allowed"):
        StreamSettings(**wrong)


@pytest.mark.parametrize("wrong", [{"base_ms": 0}, {"base_ms": 10, "cap_ms": 5}, {"max_attempts": 0}])
def test_backoff_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="backoff"):
        Backoff(**wrong)
