"""The true book of a recording: asked for or pushed, repeats left out, and `calib check` in agreement with it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from calib.recorded.book_audit import BookAudit
from calib.recorded.sequence_detection import is_pushed
from calib.recorded.true_book import REPEATED, TrueBook

MS = 1_000_000


def line(kind: str, update_id: int | None, bid: float, *, origin: str | None = None, qty: float = 1.0) -> Any:
    asks = [(bid + 1, 1.0)] if kind == "snapshot" else []
    return SimpleNamespace(
        symbol="A", type=kind, origin=origin, first_update_id=update_id if kind == "delta" else None,
        update_id=update_id, prev_update_id=None, bids=[(bid, qty)], asks=asks,
    )  # fmt: skip


def book_of(*lines: Any, with_deltas: Any = ("A",)) -> tuple[TrueBook, list[float | None]]:
    book = TrueBook("A", "contiguous", with_deltas=with_deltas)
    bests: list[float | None] = []
    for number, record in enumerate(lines):
        book.apply(record, number * MS, delivered=False)
        bests.append(None if book.book is None or book.book.best_bid is None else book.book.best_bid[0])
    return book, bests


def test_a_pushed_snapshot_is_known_at_once_and_an_asked_one_when_it_is_bridged() -> None:
    _, pushed = book_of(line("snapshot", 7, 10.0, origin="pushed"), line("snapshot", 20, 11.0, origin="pushed"))
    assert pushed == [10.0, 11.0]
    _, asked = book_of(line("snapshot", 7, 10.0, origin="requested"), line("delta", 8, 10.0))
    assert asked == [None, 10.0]


def test_without_an_origin_a_symbol_without_deltas_was_pushed() -> None:
    books = [line("snapshot", 7, 10.0), line("snapshot", 20, 11.0)]
    assert book_of(*books, with_deltas=())[1] == [10.0, 11.0]
    polls = [line("snapshot", 7, 10.0, origin="requested"), line("snapshot", 20, 11.0, origin="requested")]
    assert book_of(*polls, with_deltas=())[1] == [10.0, 11.0]
    assert book_of(*books)[1] == [None, None]
    assert [is_pushed(one, with_deltas) for one in books[:1] for with_deltas in (("A",), ())] == [False, True]


def test_a_pushed_restart_begins_a_session_and_breaks_nothing() -> None:
    lines = [line("snapshot", 70, 10.0, origin="pushed"), line("delta", 71, 10.0)]
    lines += [line("snapshot", 1, 12.0, origin="pushed"), line("delta", 2, 12.0)]
    book, bests = book_of(*lines)
    assert bests == [10.0, 10.0, 12.0, 12.0]
    assert "restart" not in book.counts
    audit = BookAudit(with_deltas=("A",))
    for number, record in enumerate(lines, 1):
        audit.see(number, record)
    (facts,) = audit.finish_file()
    assert (facts.sessions, facts.troubles) == (2, {})


def test_a_repeated_line_and_an_overlap_lose_no_book() -> None:
    deltas = [line("delta", number, 10.0, qty=float(number)) for number in range(8, 20)]
    lines = [
        line("snapshot", 7, 10.0),
        *deltas,
        *deltas[4:],
        line("delta", 20, 10.0),
        deltas[0],
        line("delta", 21, 9.0),
    ]
    book, bests = book_of(*lines)
    assert bests[0] is None
    assert None not in bests[1:]
    assert book.counts == {REPEATED: len(deltas[4:]) + 1}


def test_ids_that_go_back_with_other_levels_are_a_rewind_and_lose_the_book() -> None:
    deltas = [line("delta", number, 10.0) for number in (8, 9, 10)]
    back = [line("delta", number, 9.5, qty=3.0) for number in (8, 9)]
    book, bests = book_of(line("snapshot", 7, 10.0), *deltas, *back)
    assert bests[-1] is None
    assert book.counts["rewind"] == 1


STEPS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 2)), min_size=1, max_size=30)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_check_and_replay_agree_about_repeats_and_holes(steps: list[tuple[int, int]]) -> None:
    """Each step is a delta one or two ids on (two: a hole), after up to three earlier deltas told again."""
    told: list[Any] = []
    lines, newest = [line("snapshot", 100, 10.0, origin="pushed")], 100
    holes = 0
    for repeats, step in steps:
        lines += told[-repeats:] if repeats else []
        newest += step
        holes += step > 1
        told.append(line("delta", newest, 10.0, qty=float(newest)))
        lines.append(told[-1])
    book, bests = book_of(*lines)
    audit = BookAudit(with_deltas=("A",))
    for number, record in enumerate(lines, 1):
        audit.see(number, record)
    (facts,) = audit.finish_file()
    assert (bests[-1] is None) == (holes > 0) == (facts.unverified > 0)
    if not holes:
        assert facts.troubles.get("duplicates", 0) == book.counts.get(REPEATED, 0)
