"""Which fills are the same: a repeat is left out, another fill with that trade id is kept and counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from calib.cli.main import run
from calib.dataset.build import build_dataset
from calib.dataset.filters import chosen_filters
from calib.feeds.reading.stats import LineTally

TS = 1735689601.0
FILL = {
    "ts": TS, "symbol": "A", "side": "buy", "price": 100.0, "qty": 1.0, "liquidity": "maker", "mid_now": 100.1,
    "mid_at_quote": 100.0, "trade_id": "7", "order_id": "a",
}  # fmt: skip


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.mkdir()
    (path / "fills_20250101.jsonl").write_text("".join(json.dumps(FILL | row) + "\n" for row in rows))
    return path


def test_a_self_trade_a_flip_and_a_reused_id_are_fills_and_a_repeat_is_not(tmp_path: Path, capsys: Any) -> None:
    other_side = {"side": "sell", "liquidity": "taker", "order_id": "b"}
    flip = [{"trade_id": "8", "side": "sell", "qty": 0.4}, {"trade_id": "8", "side": "sell", "qty": 1.6}]
    path = write(tmp_path / "feeds", {}, other_side, {}, other_side, *flip, {"ts": TS + 9})
    dataset = build_dataset(path, filters=chosen_filters(off=("low_ticks",)), jobs=1)
    (row,) = dataset.intervals.to_dicts()
    # (10 - 10 - 0.4 x 10 - 1.6 x 10) / 4 bps, as each fill is worth 100.
    assert (row["fills"], round(row["net_bps"], 6), row["taker_share"]) == (4, -5.0, 0.25)
    (source,) = dataset.inputs
    assert (source.rejected, source.trade_id_conflicts) == ({"duplicate": 3}, 2)
    assert run(["check", str(path)]) == 0
    assert "2 fills with the id of another fill (trade_id_conflicts)" in capsys.readouterr().out


IDENTITIES = st.lists(
    st.tuples(
        st.sampled_from("AB"),
        st.none() | st.sampled_from("12"),
        st.sampled_from(["buy", "sell"]),
        st.sampled_from([1.0, 2.0]),
        st.just(1.0),
        st.none() | st.sampled_from("xy"),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(IDENTITIES, st.integers(1, 7))
def test_the_tally_finds_what_a_set_of_whole_identities_finds(fills: list[Any], size: int) -> None:
    seen: set[Any] = set()
    ids: set[Any] = set()
    repeats, conflicts = [], 0
    for place, fill in enumerate(fills):
        if fill[1] is None:
            continue
        if fill in seen:
            repeats.append(place)
        elif fill[:2] in ids:
            conflicts += 1
        seen.add(fill)
        ids.add(fill[:2])
    tally, found = LineTally(), []
    for begin in range(0, len(fills), size):
        found += [begin + place for place in tally.repeated(fills[begin : begin + size])]
    assert (found, tally.trade_id_conflicts) == (repeats, conflicts)
