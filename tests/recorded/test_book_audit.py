"""The audit of recorded books: each kind of trouble in lines made by hand, counted by hand."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from calib.recorded.book_audit import HELD, BookAudit, BookFacts

BID, ASK = [(9.0, 1.0)], [(10.0, 1.0)]


def snap(update_id: int | None, bids: Any = BID, asks: Any = ASK, symbol: str = "A") -> SimpleNamespace:
    return message("snapshot", symbol, None, update_id, None, bids, asks)


def ranged(first: int, last: int, bids: Any = (), asks: Any = (), symbol: str = "A") -> SimpleNamespace:
    return message("delta", symbol, first, last, None, bids, asks)


def named(prev: int, last: int, bids: Any = (), asks: Any = ()) -> SimpleNamespace:
    return message("delta", "A", None, last, prev, bids, asks)


def plain(last: int | None, bids: Any = (), asks: Any = ()) -> SimpleNamespace:
    return message("delta", "A", None, last, None, bids, asks)


def message(kind: str, symbol: str, *rest: Any) -> SimpleNamespace:
    names = ("first_update_id", "update_id", "prev_update_id", "bids", "asks")
    return SimpleNamespace(type=kind, symbol=symbol, origin=None, **dict(zip(names, rest, strict=True)))


def judged(*messages: SimpleNamespace) -> BookFacts:
    audit = BookAudit()
    for line, each in enumerate(messages, 1):
        audit.see(line, each)
    (facts,) = audit.finish_file()
    return facts


def test_nothing_is_wrong_with_a_whole_recording() -> None:
    # The first delta bridges the snapshot (5..8 covers 8), the second follows it.
    facts = judged(snap(7), ranged(3, 6), ranged(5, 8), ranged(9, 9))
    assert facts == BookFacts("A", 1, 3, {"range": 3}, 1, 0, {}, {})


def test_a_gap_by_each_way_of_numbering() -> None:
    numbered: dict[str, Callable[[int], SimpleNamespace]] = {
        "range": lambda n: ranged(n * 10 + 1, n * 10 + 10),
        "previous": lambda n: named(n * 10, n * 10 + 10),
        "contiguous": lambda n: plain(n + 1),
    }
    for rule, delta in numbered.items():
        facts = judged(snap(0), delta(0), delta(1), delta(3), delta(4), delta(9))
        assert (facts.rules, facts.troubles, facts.first_line) == ({rule: 5}, {"gaps": 2}, {"gaps": 4})
        assert facts.unverified == 3


def test_ranged_ids_with_a_previous_id_are_judged_by_the_previous_id() -> None:
    # Futures ids have holes between messages: 12 does not follow 9, but names it.
    facts = judged(snap(7), message("delta", "A", 5, 9, 4, [], []), message("delta", "A", 12, 15, 9, [], []))
    assert (facts.rules, facts.troubles) == ({"previous": 2}, {})


def test_a_late_line_is_one_gap_and_one_rewind() -> None:
    facts = judged(snap(0), plain(1), plain(3), plain(2), plain(4))
    assert (facts.troubles, facts.first_line) == ({"gaps": 1, "rewinds": 1}, {"gaps": 3, "rewinds": 4})


def test_a_block_written_twice_is_so_many_duplicates_and_what_follows_it_no_gap() -> None:
    facts = judged(snap(0), *[plain(n) for n in (1, 2, 3, 4, 5, 3, 4, 5, 6, 7)])
    assert (facts.troubles, facts.first_line, facts.unverified) == ({"duplicates": 3}, {"duplicates": 7}, 0)


def test_ids_that_go_back_with_other_levels_lose_the_book() -> None:
    again = [plain(n, [(9.5, 1.0)]) for n in (3, 4, 5)]
    facts = judged(snap(0), *[plain(n) for n in (1, 2, 3, 4, 5)], *again)
    assert (facts.troubles, facts.unverified) == ({"rewinds": 1}, 2)


def test_pushed_snapshots_are_books_of_their_own_and_a_lower_id_begins_a_session() -> None:
    pushed = [SimpleNamespace(**vars(snap(n)) | {"origin": "pushed"}) for n in (7, 9, 1)]
    facts = judged(pushed[0], plain(8), pushed[1], pushed[2], plain(2))
    assert (facts.snapshots, facts.sessions, facts.troubles, facts.unverified) == (3, 2, {}, 0)
    asked = judged(snap(7), plain(8), snap(9), snap(1), plain(10))
    assert asked.troubles == {}
    only = BookAudit(with_deltas=())
    for line, each in enumerate([snap(5), snap(3), snap(9)], 1):
        only.see(line, each)
    assert [(one.sessions, one.bad_lines) for one in only.finish_file()] == [(2, 0)]


def test_a_duplicate_leaves_the_book_as_it_is() -> None:
    facts = judged(snap(0), plain(1), plain(1), plain(2))
    assert (facts.troubles, facts.first_line, facts.unverified) == ({"duplicates": 1}, {"duplicates": 3}, 0)


def test_a_crossed_book_is_counted_for_as_long_as_it_stands() -> None:
    facts = judged(snap(0), plain(1, [(11.0, 1.0)]), plain(2), plain(3, [(11.0, 0.0)]), plain(4))
    assert (facts.troubles, facts.first_line) == ({"crossed": 2}, {"crossed": 2})


def test_a_book_that_is_lost_is_not_said_to_be_crossed() -> None:
    assert judged(snap(0), plain(1), plain(3, [(11.0, 1.0)]), plain(4)).troubles == {"gaps": 1}


def test_deltas_before_the_first_snapshot_are_used_where_they_reach_it() -> None:
    # 1..4 is in the snapshot of 5; 5..6 and 7..8 are not, the snapshot comes later than they.
    facts = judged(ranged(1, 4), ranged(5, 6), ranged(7, 8), snap(5), ranged(9, 9))
    assert (facts.troubles, facts.first_line["before_snapshot"], facts.unverified) == ({"before_snapshot": 3}, 1, 1)


def test_a_snapshot_that_ends_before_the_held_deltas_is_late() -> None:
    facts = judged(ranged(11, 14), snap(5), ranged(15, 16), snap(16), ranged(17, 17))
    assert facts.troubles == {"before_snapshot": 2, "late_snapshots": 1}
    assert (facts.sessions, facts.first_line["late_snapshots"]) == (1, 2)


def test_held_deltas_are_bounded() -> None:
    facts = judged(*[plain(n) for n in range(1, HELD + 11)], snap(9), plain(HELD + 11))
    assert facts.troubles == {"before_snapshot": HELD + 11, "late_snapshots": 1}


def test_a_new_snapshot_after_a_gap_begins_another_session() -> None:
    facts = judged(snap(0), plain(1), plain(5), plain(6), snap(6), plain(7), plain(9), snap(9), plain(10))
    assert (facts.troubles, facts.sessions, facts.first_line) == ({"gaps": 2}, 3, {"gaps": 3})
    assert facts.unverified == 2 + 1


def test_a_snapshot_that_covers_what_was_not_recorded_begins_a_session_without_a_gap() -> None:
    facts = judged(snap(0), plain(1), snap(100), plain(99), plain(101), plain(102))
    assert (facts.troubles, facts.sessions) == ({}, 2)


def test_a_snapshot_beside_a_whole_stream_is_no_session() -> None:
    facts = judged(snap(0), plain(1), snap(3), plain(2), plain(3), plain(4), snap(2), plain(5))
    assert (facts.troubles, facts.sessions, facts.unverified) == ({}, 1, 0)


def test_ids_that_begin_anew_with_a_snapshot_are_a_session_and_no_rewind() -> None:
    facts = judged(snap(1000), ranged(1001, 1001), snap(50), ranged(51, 55), ranged(56, 56))
    assert (facts.troubles, facts.sessions, facts.unverified) == ({}, 2, 0)


def test_a_delta_that_follows_nothing_is_a_whole_book() -> None:
    facts = judged(named(-1, 5, BID, ASK), named(5, 6), named(-1, 2, BID, ASK), named(2, 3))
    assert (facts.troubles, facts.sessions) == ({}, 2)


def test_a_whole_book_of_the_stream_needs_no_bridge_so_an_older_predecessor_is_a_rewind() -> None:
    pushed = snap(5)
    pushed.origin = "pushed"
    for whole in (named(-1, 5, BID, ASK), pushed):
        facts = judged(whole, named(3, 7))
        assert (facts.troubles, facts.first_line) == ({"rewinds": 1}, {"rewinds": 2})


def test_the_id_1_is_a_restart_of_contiguous_ids() -> None:
    facts = judged(snap(7), plain(8), plain(1), plain(2))
    assert (facts.troubles, facts.first_line) == ({"restarts": 1}, {"restarts": 3})


def test_without_ids_only_the_book_is_judged() -> None:
    facts = judged(plain(None), snap(None), plain(None, [(11.0, 1.0)]))
    assert (facts.rules, facts.troubles) == ({"none": 2}, {"crossed": 1, "before_snapshot": 1})


def test_symbols_are_judged_apart_and_the_ids_go_on_in_the_next_file() -> None:
    audit = BookAudit()
    for line, each in enumerate([snap(0), snap(50, symbol="B"), ranged(1, 1), ranged(51, 51, symbol="B")], 1):
        audit.see(line, each)
    assert [(facts.symbol, facts.troubles) for facts in audit.finish_file()] == [("A", {}), ("B", {})]
    audit.see(1, ranged(3, 3))
    (facts,) = audit.finish_file()
    assert (facts.symbol, facts.snapshots, facts.troubles) == ("A", 0, {"gaps": 1})
