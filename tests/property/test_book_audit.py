"""The audit of books against a second count: holes and repeats are known, for the recording is made with them."""

from __future__ import annotations

from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from calib.recorded.book_audit import BookAudit

STEPS = st.lists(
    st.tuples(
        st.booleans() | st.just(True),  # whether the delta was recorded
        st.integers(0, 2),  # how often it came again
        st.none() | st.integers(0, 3),  # a snapshot after it, so many ids old
    ),
    max_size=40,
)


def message(kind: str, update_id: int, ranged: bool) -> SimpleNamespace:
    first = update_id if ranged and kind == "delta" else None
    return SimpleNamespace(
        symbol="A",
        type=kind,
        origin=None,
        first_update_id=first,
        update_id=update_id,
        prev_update_id=None,
        bids=[],
        asks=[],
    )


@settings(max_examples=200, deadline=None)
@given(steps=STEPS, ranged=st.booleans())
def test_every_hole_is_one_gap_and_every_repeat_one_duplicate(
    steps: list[tuple[bool, int, int | None]], ranged: bool
) -> None:
    recorded, gaps, duplicates, newest = [message("snapshot", 1, ranged)], 0, 0, 1
    for update_id, (kept, again, age) in enumerate(steps, 2):
        if not kept:
            continue
        gaps += update_id != newest + 1
        newest = update_id
        duplicates += again
        recorded += [message("delta", update_id, ranged)] * (1 + again)
        if age is not None:
            recorded.append(message("snapshot", max(update_id - age, 1), ranged))
    audit = BookAudit()
    for line, each in enumerate(recorded, 1):
        audit.see(line, each)
    (facts,) = audit.finish_file()
    troubles = facts.troubles
    assert (troubles.get("gaps", 0), troubles.get("duplicates", 0), troubles.get("rewinds", 0)) == (gaps, duplicates, 0)
    assert facts.snapshots + facts.deltas == len(recorded)
