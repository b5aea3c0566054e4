"""The summary's figures against a computation of their own, and its report against a file that was read by eye."""

from __future__ import annotations

import json
import re
import shlex
import statistics
import subprocess
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.dataset.columns import NUMBERS
from calib.dataset.model import (
    DROPPED,
    INTERVALS,
    Counts,
    Dataset,
    Filters,
    Input,
    MissingDays,
    Params,
    Range,
    Tool,
)
from calib.dataset.store import write_dataset
from calib.reports.alerts import INTERVAL_RULES, MEANINGS, alerts, missing_values, thin_symbols
from calib.reports.distribution import distribution
from calib.reports.numbers import number
from calib.reports.render import render_summary, summary_text
from calib.reports.reproduce import command
from calib.reports.summary import Summary, summarise

T0 = 1_735_689_600  # 2025-01-01T00:00:00Z
GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "reports" / "calib_summary_handmade.md"

# Twelve intervals of one symbol, one of another; None where there were no fills.
NET = [1.5, -0.5, 2.25, None, -12.0, 0.75, 3.0, 1.0, -1.25, 0.5, 2.0, None]
LATENCY = [12.0, 15.5, 11.0, 18.0, 55.0, 14.0, 13.0, 12.5, 16.0, 17.0, 12.0, 13.5]


def row(symbol: str, slot: int, **given_: float | int | None) -> dict[str, Any]:
    """One interval of 300 s; a number not given is null, a count 0."""
    base: dict[str, Any] = {"symbol": symbol, "start_ts": T0 + 300 * slot, "end_ts": T0 + 300 * (slot + 1)}
    return dict.fromkeys(("ticks", "fills", "quotes"), 0) | dict.fromkeys([c.name for c in NUMBERS]) | base | given_


def dataset(rows: list[dict[str, Any]], dropped: list[tuple[str, int, list[str]]] = [], **parts: Any) -> Dataset:  # noqa: B006
    rows = sorted(rows, key=lambda each: (each["symbol"], each["start_ts"]))
    gone: list[dict[str, Any]] = [
        {"symbol": s, "start_ts": T0 + 300 * slot, "reasons": reasons} for s, slot, reasons in sorted(dropped)
    ]
    base: dict[str, Any] = {
        "range": Range(
            from_="2025-01-01T00:00:00Z",
            to="2025-01-01T02:00:00Z",
            interval_sec=300,
            symbols=sorted({each["symbol"] for each in rows} | {each["symbol"] for each in gone}),
        ),
        "filters": Filters(low_ticks=10, deadline_miss=0.05, ws_gap=60.0, non_finite=True),
        "params": Params(tick_sample_rate=10, maker_fee_bps=0.0, taker_fee_bps=0.0),
        "inputs": [],
        "missing_days": MissingDays(fills=[], pipeline_ticks=[]),
        "counts": Counts(
            intervals=len(rows) + len(gone),
            kept=len(rows),
            dropped={
                name: sum(name in each["reasons"] for each in gone)
                for name in ("low_ticks", "deadline_miss", "ws_gap", "non_finite")
            },
        ),
        "intervals": pl.DataFrame(rows, schema=INTERVALS),
        "dropped": pl.DataFrame(gone, schema=DROPPED),
        "tool": Tool(version="1.2.3"),
    }
    return Dataset(**base | parts)


def handmade() -> Dataset:
    """Every section has something to say; `test_the_report_says_what_was_counted_by_hand` counts it."""
    rows = [
        row(
            "BTCUSDT",
            slot,
            ticks=30,
            fills=0 if net is None else 4,
            quotes=40,
            net_bps=net,
            net_bps_equal=net,
            slippage_bps=None if net is None else 0.25,
            fill_rate=1.2 if slot == 6 else 0.1,
            taker_share=None if net is None else 0.25,
            taker_share_notional=None if net is None else 0.5,
            latency_p95_ms=latency,
            latency_p50_ms=latency / 2,
            latency_p99_ms=latency * 2,
            cache_hit_ratio=0.9,
            deadline_miss_rate=0.0,
            stale_rate=0.0,
            max_gap_s=10.0 + slot,
            vol_realized_bps=20.0,
        )
        for slot, (net, latency) in enumerate(zip(NET, LATENCY, strict=True))
    ]
    rows.append(row("ETH|USDT", 0, ticks=20, quotes=20, fill_rate=0.0, latency_p95_ms=9.0, max_gap_s=59.5))
    return dataset(
        rows,
        [
            ("BTCUSDT", 20, ["low_ticks"]),
            ("BTCUSDT", 21, ["low_ticks", "ws_gap"]),
            ("`<b>`", 3, ["low_ticks", "ws_gap"]),
            ("`<b>`", 4, ["ws_gap"]),
        ],
        inputs=[
            Input(
                file="fills_20250101.jsonl",
                bytes=4096,
                sha256="0123456789abcdef" * 4,
                lines=200,
                used=193,
                rejected={"bad_json": 1, "bad_value": 2, "duplicate": 4},
            ),
            Input(
                file="pipeline_ticks_20250101.jsonl.zst",
                bytes=123456,
                sha256="fedcba9876543210" * 4,
                lines=3800,
                used=3799,
                rejected={"partial_tail": 1},
            ),
        ],
        missing_days=MissingDays(fills=["2025-01-02", "2025-01-03"], pipeline_ticks=[]),
    )


def _of(summary: Summary, name: str) -> Any:
    return next(entry for entry in summary.distributions if entry.name == name)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | st.floats(-1e6, 1e6), max_size=60))
def test_a_distribution_is_the_statistics_modules(values: list[float | None]) -> None:
    entry = distribution("x", "bps", pl.Series(values, dtype=pl.Float64))
    known = [value for value in values if value is not None]
    assert (entry.n, entry.nulls) == (len(known), len(values) - len(known))
    if not known:
        assert entry.minimum is entry.maximum is entry.mean is entry.sd is entry.quantiles["median"] is None
        return
    assert (entry.minimum, entry.maximum) == (min(known), max(known))
    assert entry.mean == pytest.approx(statistics.fmean(known), rel=1e-12, abs=1e-9)
    if len(known) == 1:
        assert entry.sd is None
        assert set(entry.quantiles.values()) == set(known)
        return
    assert entry.sd == pytest.approx(statistics.stdev(known), rel=1e-9, abs=1e-9)
    # "inclusive" is the linear kind: the definition 7 of Hyndman and Fan.
    twentieths = statistics.quantiles(known, n=20, method="inclusive")
    expected = [twentieths[0], twentieths[4], twentieths[9], twentieths[14], twentieths[18]]
    assert list(entry.quantiles.values()) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_quantiles_are_linear_not_nearest() -> None:
    """The p95 of 1..10 is 9.55; polars' own default would give 10."""
    entry = distribution("x", "ms", pl.Series([float(n) for n in range(1, 11)]))
    assert entry.quantiles["p95"] == pytest.approx(9.55)


def test_the_largest_doubles_give_no_nonsense() -> None:
    entry = distribution("x", "ms", pl.Series([-1.7e308, 1.7e308, 1.7e308]))
    assert entry.maximum == 1.7e308
    assert entry.mean is None or entry.mean == pytest.approx(1.7e308 / 3)
    assert entry.sd is None
    assert entry.quantiles["median"] == 1.7e308
    assert entry.quantiles["p25"] == pytest.approx(0, abs=1e293)
    assert len(entry.bars) == 16


def test_the_summary_of_the_handmade_dataset() -> None:
    summary = summarise("handmade", handmade())
    known = [net for net in NET if net is not None]
    net = _of(summary, "net_bps")
    assert (net.n, net.nulls) == (10, 3)
    assert net.mean == pytest.approx(sum(known) / 10)
    assert net.quantiles["median"] == pytest.approx(0.875)  # between 0.75 and 1.0
    # Rank 1 + 9 x 0.05 = 1.45 of the sorted values: -12 + 0.45 x (-1.25 + 12).
    assert net.quantiles["p05"] == pytest.approx(-7.1625)
    assert net.sd == pytest.approx(statistics.stdev(known))
    assert [(r.symbol, r.kept, r.dropped, r.absent) for r in summary.symbols] == [
        ("`<b>`", 0, 2, 22),
        ("BTCUSDT", 12, 2, 10),
        ("ETH|USDT", 1, 0, 23),
    ]
    assert [(r.reason, r.rows, r.alone) for r in summary.reasons] == [
        ("low_ticks", 3, 1),
        ("deadline_miss", 0, 0),
        ("ws_gap", 3, 1),
        ("non_finite", 0, 0),
    ]
    assert summary.overlaps == [(("low_ticks", "ws_gap"), 2), (("low_ticks",), 1), (("ws_gap",), 1)]
    assert [r.targets.net_bps for r in summary.worst] == sorted(known)
    assert summary.widest_gaps[0] == ("ETH|USDT", T0, 59.5)
    assert summary.null_shares["ETH|USDT"]["net_bps"] == 1.0
    assert summary.null_shares["BTCUSDT"]["net_bps"] == pytest.approx(2 / 12)


def test_the_alerts_of_the_handmade_dataset_stand_worst_first() -> None:
    found = [(a.severity, a.rule, a.symbol, a.start, a.subject, a.value, a.limit) for a in alerts(handmade())]
    assert found == [
        ("critical", "low_coverage", "", "", "all symbols", 17 / 72, 0.5),
        ("critical", "fill_rate_above_one", "BTCUSDT", "2025-01-01T00:30:00Z", "fill_rate", 1.2, 1.0),
        ("critical", "high_reject_ratio", "", "", "fills_20250101.jsonl", 0.015, 0.01),
        ("warning", "few_kept", "", "", "", 13 / 17, 0.8),
        ("warning", "missing_days", "", "", "fills, 2025-01-02 to 2025-01-03", 2, 0),
        ("warning", "many_duplicates", "", "", "fills_20250101.jsonl", 0.02, 0.01),
        ("warning", "adverse_net", "BTCUSDT", "2025-01-01T00:20:00Z", "net_bps", -12.0, -10.0),
        ("warning", "symbol_without_intervals", "`<b>`", "", "", 0, 1),
        ("warning", "mostly_null", "", "", "fetch_md_p95_ms", 1.0, 0.5),
        ("warning", "mostly_null", "", "", "cache_age_avg_ms", 1.0, 0.5),
        ("warning", "thin_symbol", "ETH|USDT", "", "intervals", 1, 12),
    ]


@pytest.mark.parametrize("rule", INTERVAL_RULES, ids=lambda rule: rule.name)
def test_an_interval_rule_is_raised_past_its_limit_and_not_at_it(rule: Any) -> None:
    past = rule.limit + (0.01 if rule.above else -0.01)
    rows = [row("A", 0, **{rule.column: rule.limit}), row("A", 1, **{rule.column: past}), row("A", 2)]
    [alert] = rule(dataset(rows))
    assert (alert.rule, alert.value, alert.start) == (rule.name, past, "2025-01-01T00:05:00Z")


def test_every_rule_has_a_place_in_the_order() -> None:
    assert {rule.name for rule in INTERVAL_RULES} <= set(MEANINGS)
    assert {alert.rule for alert in alerts(handmade())} <= set(MEANINGS)


def test_few_kept_turns_critical_below_a_half() -> None:
    def severities(kept: int, gone: int) -> list[str]:
        made = dataset([row("A", n, fills=9) for n in range(kept)], [("A", 23 - n, ["ws_gap"]) for n in range(gone)])
        return [alert.severity for alert in alerts(made) if alert.rule == "few_kept"]

    assert severities(4, 1) == []
    assert severities(3, 1) == ["warning"]
    assert severities(1, 1) == ["warning"]
    assert severities(4, 5) == ["critical"]


def test_few_fills_make_a_symbol_thin() -> None:
    made = dataset([row("A", n, fills=2) for n in range(12)] + [row("B", n, fills=3) for n in range(12)])
    assert [(a.symbol, a.subject, a.value) for a in alerts(made) if a.rule == "thin_symbol"] == [("A", "fills", 24)]


def test_a_symbol_is_thin_below_30_fills_and_no_column_is_null_where_nothing_is_kept() -> None:
    full = [row(symbol, n, fills=fills) for symbol, fills in (("A", 2), ("B", 2)) for n in range(12)]
    full[0] |= {"fills": 7}  # A: 29 fills
    full[12] |= {"fills": 8}  # B: 30
    assert [(a.symbol, a.subject, a.value, a.limit) for a in thin_symbols(dataset(full))] == [("A", "fills", 29, 30)]
    dropped = dataset([], [("A", 0, ["low_ticks"])])
    assert [(a.rule, a.symbol, a.value) for a in thin_symbols(dropped)] == [("symbol_without_intervals", "A", 0)]
    assert list(missing_values(dropped)) == []


def test_nothing_kept_is_not_usable() -> None:
    summary = summarise("x", dataset([], [("A", 0, ["low_ticks"]), ("A", 1, ["ws_gap"])]))
    assert not summary.verdict.usable
    text = summary_text(summary)
    assert "**NOT USABLE: all 2 intervals were dropped; 0 of 2 intervals kept (0 %), coverage 8.3 %, 1 symbol, " in text
    empty = summary_text(summarise("x", dataset([])))
    assert "**NOT USABLE: there is no interval; 0 of 0 intervals kept, 0 symbols, " in empty


def test_no_fill_at_all_is_not_usable() -> None:
    """Ticks alone give a fill rate of 0 and nothing to learn from."""
    summary = summarise("x", dataset([row("A", 0, ticks=20, quotes=20, fill_rate=0.0)]))
    assert not summary.verdict.usable
    assert summary.verdict.reason == "no kept interval has a fill"
    assert summarise("x", dataset([row("A", n, fills=1, taker_share=1.0) for n in range(3)])).verdict.usable


def test_a_dead_bot_is_not_usable() -> None:
    """Two of 72 intervals have data, 2.8 %; three are an hour of each day, the least that counts."""
    span = Range(from_="2025-01-01T00:00:00Z", to="2025-01-01T06:00:00Z", interval_sec=300, symbols=["A"])
    summary = summarise("x", dataset([row("A", n, fills=5, net_bps=1.0) for n in range(2)], range=span))
    assert not summary.verdict.usable
    assert summary.verdict.reason == "only 2.8% of the range has data: the bot was not running"
    assert summary.coverage.ratio == 2 / 72
    rows = [row("A", n, fills=5, net_bps=1.0) for n in range(3)]
    assert summarise("x", dataset(rows, range=span)).verdict.usable


def test_a_symbol_that_was_off_is_named_where_the_others_ran() -> None:
    rows = [row("A", n, fills=5) for n in range(24)] + [row("B", n, fills=5) for n in range(11)]
    found = [a for a in alerts(dataset(rows)) if a.rule == "low_coverage"]
    assert [(a.symbol, a.severity, a.value) for a in found] == [("B", "critical", 11 / 24)]


def test_the_first_screen_says_what_the_fills_brought() -> None:
    rows = [
        row(symbol, n, fills=5, net_bps=net, notional=1000.0, pnl_mid=net / 10)
        for symbol, net in (("A", -2.0), ("B", -1.0), ("C", 1.0))
        for n in range(20)
    ]
    head = summary_text(summarise("x", dataset(rows))).split("## Alerts")[0]
    assert "notional 60000, PnL at the mid -4 (quote currency); median net_bps below 0 for 2 of 3 symbols" in head


def test_the_verdict_names_the_targets_that_have_no_value() -> None:
    rows = [row("A", n, fills=1, taker_share=1.0, taker_share_notional=1.0) for n in range(3)]
    text = summary_text(summarise("x", dataset(rows)))
    assert "**USABLE, but without net_bps, net_bps_equal, slippage_bps, fill_rate; 3 of 3 intervals kept" in text


def test_a_main_target_without_any_value_is_critical() -> None:
    def severity(*nets: float | None) -> list[str]:
        made = dataset([row("A", slot, fills=1, net_bps=net) for slot, net in enumerate(nets)])
        return [a.severity for a in alerts(made) if a.rule == "mostly_null" and a.subject == "net_bps"]

    assert severity(None, None, None) == ["critical"]
    assert severity(1.0, None, None) == ["warning"]
    assert severity(1.0, None) == []


def test_the_report_is_the_golden_one() -> None:
    text = summary_text(summarise("handmade", handmade()))
    assert text == GOLDEN.read_text("utf-8")


def test_the_three_forms_of_a_dataset_give_one_report(tmp_path: Path) -> None:
    paths = write_dataset(handmade(), tmp_path / "datasets", ["json", "parquet", "arrow"])
    texts = {render_summary(path, tmp_path / path.suffix[1:]).path.read_bytes() for path in paths}
    texts.add(render_summary(handmade(), tmp_path).path.read_bytes())
    assert len(texts) == 1


def _tables(text: str) -> list[list[list[str]]]:
    """Every table of a report, by a simple reader: cells end at a bar that no backslash precedes."""
    found: list[list[list[str]]] = []
    inside = False
    for line in text.split("\n"):
        if line.startswith("|"):
            if not inside:
                found.append([])
            found[-1].append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        inside = line.startswith("|")
    return found


def test_the_report_says_what_was_counted_by_hand() -> None:
    """From the Markdown itself: what a reader would read off the tables."""
    text = summary_text(summarise("handmade", handmade()))
    head = "USABLE; 13 of 17 intervals kept (76.5 %), coverage 23.6 %, 3 symbols"
    assert f"{head}, 2025-01-01 00:00:00 to 2025-01-01 02:00:00 UTC" in text
    tables = _tables(text)
    targets = next(each for each in tables if each[2][0] == "net_bps")
    shown = dict(zip(targets[0], targets[2], strict=True))
    assert (shown["n"], shown["null"], shown["min"], shown["max"]) == ("10", "23.1 %", "-12", "3")
    assert (shown["median"], shown["p05"], shown["mean"]) == ("0.875", "-7.162", "-0.275")
    files = next(each for each in tables if "bad share" in each[0])
    assert dict(zip(files[0], files[2], strict=True)) == {
        "file": "`fills_20250101.jsonl`",
        "lines": "200",
        "used": "193",
        "`bad_json`": "1",
        "`bad_value`": "2",
        "`duplicate`": "4",
        "`partial_tail`": "0",
        "bad share": "1.5 %",
    }
    assert "- fills: 2 days without a file: `2025-01-02`, `2025-01-03`" in text


def test_long_tables_are_cut_and_say_so() -> None:
    rows = [row(f"S{n:03}", slot, fill_rate=2.0, fills=1) for n in range(300) for slot in range(2)]
    text = summary_text(summarise("many", dataset(rows)))
    assert len(text.split("\n")) < 300
    tables = _tables(text)
    assert max(len(each) for each in tables) == 42
    assert "and 260 more: the symbols with the smallest kept share are shown" in text
    assert "and 885 more (fill_rate_above_one 590, mostly_null 5, thin_symbol 290)" in text


symbols = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=10) | st.sampled_from(
    ["a|b", "`", "``", "<script>", "[x](y)", "{{7*7}}", "=1", "\u202e", "\u200b", "\\|", " ", "-- x"]
)


@settings(max_examples=40, deadline=None)
@given(st.lists(symbols, min_size=1, max_size=5, unique=True), symbols)
def test_no_symbol_breaks_a_report(names: list[str], file: str) -> None:
    rows = [row(name, 0, fill_rate=3.0, net_bps=-20.0) for name in names]
    made = dataset(
        rows,
        [(name, 1, [name]) for name in names],
        inputs=[Input(file=file, bytes=1, sha256="0" * 64, lines=2, used=1, rejected={names[0]: 1})],
    )
    text = summary_text(summarise(names[0], made))
    for each in _tables(text):
        assert len({len(cells) for cells in each}) == 1
    harmless = re.sub(r"(?s)(`+)(?!`).+?(?<!`)\1(?!`)", "", text)
    assert "<script" not in harmless
    assert "[x]" not in harmless


@settings(max_examples=15, deadline=None)
@given(
    st.lists(symbols.filter(lambda name: "," not in name and name == name.strip()), min_size=1, max_size=4, unique=True)
)
def test_the_command_gives_a_shell_the_symbols_back(names: list[str]) -> None:
    made = dataset([row(name, 0) for name in names])
    line = command(made)
    printed = subprocess.run(
        ["bash", "-c", f"printf '%s\\n' {line}"],
        capture_output=True,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )
    words = printed.stdout.decode().split("\n")
    assert words[words.index("--symbols") + 1] == ",".join(sorted(names))


@pytest.mark.parametrize("name", ["a,b", " a", "a\u3000"])
def test_a_symbol_that_the_option_cannot_take_is_not_given_to_it(name: str) -> None:
    assert "--symbols" not in command(dataset([row(name, 0)]))


def test_the_command_carries_every_setting() -> None:
    made = dataset(
        [row("A", 0)],
        filters=Filters(low_ticks=0, deadline_miss=0.1, ws_gap=None, non_finite=None),
        params=Params(tick_sample_rate=1, maker_fee_bps=-0.25, taker_fee_bps=4.0),
        inputs=[Input(file="f", bytes=1, sha256="0" * 64, lines=100, used=97, rejected={"bad_json": 3})],
    )
    assert shlex.split(command(made).replace("\\\n", "")) == shlex.split(
        "calib aggregate --from 2025-01-01T00:00:00Z --to 2025-01-01T02:00:00Z --interval-sec 300 --symbols A "
        "--min-ticks 0 --max-deadline-miss-rate 0.1 --no-filter ws_gap --no-filter non_finite --tick-sample-rate 1 "
        "--maker-fee-bps -0.25 --taker-fee-bps 4 --max-reject-ratio 0.03"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (99999.6, "100000"),
        (0.000099999, "0.0001"),
        (0.0000999, "9.99e-5"),
        (9.99996, "10"),
        (9999999.9, "1e7"),
        (9994999.9, "9995000"),
        (1e7, "1e7"),
        (-5e-324, "-4.941e-324"),
        (1.7e308, "1.7e308"),
        (0.1 + 0.2, "0.3"),
        (100.0, "100"),
    ],
)
def test_numbers_read_well(value: float, text: str) -> None:
    assert number(value) == text


def test_a_symbol_is_no_template() -> None:
    text = summary_text(summarise("{{7*7}}", dataset([row("{{6*7}}", 0)])))
    assert "`{{7*7}}`" in text
    assert "`{{6*7}}`" in text


def test_the_json_of_alerts_is_plain(tmp_path: Path) -> None:
    import msgspec

    built = msgspec.to_builtins(alerts(handmade()))
    assert json.loads(json.dumps(built))[0]["rule"] == "low_coverage"
