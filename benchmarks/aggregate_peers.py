"""The sums of `calib aggregate` as other engines make them, strict about nothing: what a script of a few lines costs.

    python -m benchmarks.aggregate_peers duckdb FEEDS OUT

No line is checked beyond what the engine needs, no reject is kept, nothing is hashed, duplicates and late lines are not
looked for, and sums depend on the order in which threads finish.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

INTERVAL_S = 300
TICKS = {
    "ts": "DOUBLE",
    "symbol": "VARCHAR",
    "stage_latencies": "STRUCT(fetch_md DOUBLE)",
    "tick_total_ms": "DOUBLE",
    "cache_hit": "BOOLEAN",
    "deadline_miss": "BOOLEAN",
    "cache_age_ms": "DOUBLE",
    "used_stale": "BOOLEAN",
    "sample_rate": "BIGINT",
    "n_quotes": "BIGINT",
    "mid": "DOUBLE",
    "ws_gap_ms": "DOUBLE",
}
FILLS = {
    "ts": "DOUBLE",
    "symbol": "VARCHAR",
    "side": "VARCHAR",
    "price": "DOUBLE",
    "qty": "DOUBLE",
    "liquidity": "VARCHAR",
    "quote_price": "DOUBLE",
    "mid_at_quote": "DOUBLE",
    "mid_now": "DOUBLE",
    "slip_bps": "DOUBLE",
    "fee_bps": "DOUBLE",
    "quote_id": "VARCHAR",
}
SQL = """
COPY (
  WITH t AS (SELECT *, floor(ts / {length})::BIGINT AS i FROM read_json('{feeds}/pipeline_ticks_*.jsonl*',
      format='newline_delimited', columns={ticks})),
  f AS (SELECT *, floor(ts / {length})::BIGINT AS i, CASE WHEN side = 'buy' THEN 1.0 ELSE -1.0 END AS s
      FROM read_json('{feeds}/fills_*.jsonl*', format='newline_delimited', columns={fills})),
  ticks AS (SELECT symbol, i, count(*) AS ticks, sum(coalesce(n_quotes, 1) * coalesce(sample_rate, 10)) AS quotes,
      quantile_cont(tick_total_ms, [0.5, 0.95, 0.99]) AS latency,
      quantile_cont(stage_latencies.fetch_md, 0.95) AS fetch_md, avg(cache_hit::INT) AS hit, avg(cache_age_ms) AS age,
      avg(deadline_miss::INT) AS miss, avg(used_stale::INT) AS stale, max(ws_gap_ms) / 1000 AS ws_gap,
      stddev_pop(mid) AS mids FROM t GROUP BY symbol, i),
  fills AS (SELECT symbol, i, count(*) AS fills, count(DISTINCT quote_id) AS filled,
      sum(price * qty * (s * (mid_now - price) / coalesce(mid_at_quote, mid_now) * 1e4 - coalesce(fee_bps, 0)))
        / sum(price * qty) AS net_bps,
      sum(price * qty * coalesce(s * (price - quote_price) / quote_price * 1e4, slip_bps)) / sum(price * qty) AS slip,
      avg((liquidity = 'taker')::INT) AS taker, sum(price * qty) AS notional FROM f GROUP BY symbol, i)
  SELECT * FROM ticks FULL JOIN fills USING (symbol, i) ORDER BY symbol, i
) TO '{out}/duckdb.json'
"""


def duckdb_script(feeds: Path, out: Path) -> None:
    import duckdb

    duckdb.sql(SQL.format(feeds=feeds, out=out, length=INTERVAL_S, ticks=TICKS, fills=FILLS))


def polars_script(feeds: Path, out: Path) -> None:
    import polars as pl

    col = pl.col
    types = {"DOUBLE": pl.Float64, "VARCHAR": pl.String, "BOOLEAN": pl.Boolean, "BIGINT": pl.Int64}
    index = (col("ts") // INTERVAL_S).cast(pl.Int64).alias("i")
    stages: dict[str, Any] = {"stage_latencies": pl.Struct({"fetch_md": pl.Float64})}
    flat: dict[str, Any] = {name: types[kind] for name, kind in TICKS.items() if kind in types}
    ticks = pl.scan_ndjson(feeds / "pipeline_ticks_*.jsonl*", schema=flat | stages)
    fills = pl.scan_ndjson(feeds / "fills_*.jsonl*", schema={name: types[kind] for name, kind in FILLS.items()})
    sign = pl.when(col("side") == "buy").then(1.0).otherwise(-1.0)
    notional = col("price") * col("qty")
    gain = sign * (col("mid_now") - col("price")) / pl.coalesce("mid_at_quote", "mid_now") * 1e4 - col("fee_bps")
    by_tick = ticks.group_by("symbol", index).agg(
        pl.len().alias("ticks"),
        (col("n_quotes").fill_null(1) * col("sample_rate").fill_null(10)).sum().alias("quotes"),
        *(col("tick_total_ms").quantile(q, "linear").alias(f"p{q}") for q in (0.5, 0.95, 0.99)),
        col("stage_latencies").struct.field("fetch_md").quantile(0.95, "linear"),
        col("cache_hit").mean(),
        col("cache_age_ms").mean(),
        col("deadline_miss").mean(),
        col("used_stale").mean(),
        col("ws_gap_ms").max(),
        col("mid").std(),
    )
    by_fill = fills.group_by("symbol", index).agg(
        pl.len().alias("fills"),
        col("quote_id").n_unique().alias("filled"),
        (notional * gain).sum() / notional.sum(),
        (col("liquidity") == "taker").mean().alias("taker"),
    )
    made = by_tick.join(by_fill, on=["symbol", "i"], how="full", coalesce=True).sort("symbol", "i")
    made.collect(engine="streaming").write_ndjson(out / "polars.json")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=["duckdb", "polars"])
    parser.add_argument("feeds", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    {"duckdb": duckdb_script, "polars": polars_script}[given.engine](given.feeds, given.out)
