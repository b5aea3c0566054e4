"""The order of summing: the same as a sort by all keys."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from calib.dataset.order import in_order, with_names

_LINES = st.lists(
    st.tuples(
        st.sampled_from(["B", "A", "é", "AA", "a"]),
        st.integers(-2, 2),
        st.sampled_from([0.0, 1.5, 1.25, 9e8]),
        st.integers(0, 2),
        st.integers(1, 1000),
    ),
    max_size=60,
)
_SCHEMA = {"symbol": pl.String, "index": pl.Int64, "ts": pl.Float64, "file": pl.Int64, "line": pl.Int64}


@given(_LINES)
def test_lines_are_ordered_by_symbol_interval_time_file_and_line(lines: list[tuple[str, int, float, int, int]]) -> None:
    unique = list(dict.fromkeys(lines))
    frame = pl.DataFrame(unique, schema=_SCHEMA, orient="row").with_columns(at=pl.int_range(pl.len()))
    ordered = with_names(in_order(frame))
    # By code points, as polars orders text too.
    assert [unique[at] for at in ordered["at"]] == sorted(unique)
    assert ordered["symbol"].to_list() == [line[0] for line in sorted(unique)]
