"""The report of a replay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from calib.limits import LimitResult
from calib.reports.inputs import inputs_table
from calib.reports.markdown import cell, code, table
from calib.reports.numbers import NONE, count, number, percent
from calib.reports.replay_cells import STATUSES, flat, gate_table, notes_list, settings_table, share, shown


def replay_text(outcome: Mapping[str, Any], gate: Sequence[LimitResult] = ()) -> str:
    """Return one replay as Markdown; equal outcomes yield equal bytes."""
    overall = outcome["overall"]
    parts = [
        "# Replay",
        _headline_of(outcome),
        digest(overall),
    ]
    if gate:
        parts += ["## Gate", gate_table(gate)]
    parts += [
        "## Notes",
        notes_list(outcome["notes"]),
        "## Reads",
        _reads_table(outcome),
        "## Cost of staleness",
        "The error is |served mid - true mid| / true mid, at the time at which the reader received the book.",
        _staleness_table(outcome),
        "## Times",
        _times_table(outcome),
        "## Integrity",
        _integrity_table(outcome),
        "## Fidelity",
        _fidelity(outcome["fidelity"]),
        "## Recording",
        _recording_table(outcome),
        "## Settings",
        settings_table(flat(outcome["settings"])),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _headline_of(outcome: Mapping[str, Any]) -> str:
    span, settings = outcome["range"], outcome["settings"]
    return (
        f"{span['from']} to {span['to']} ({number(span['seconds'])} s), symbols: {len(outcome['symbols'])}, "
        f"{count(outcome['overall']['reads'])} reads, filled by {settings['fill']}, "
        f"latency {code(settings['latency'])}."
    )


def digest(overall: Mapping[str, Any]) -> str:
    """Return the result in one sentence."""
    times, errors = overall["fetch_md_ms"], overall["staleness"]["error_bps"]
    return (
        f"Judged {judged_of(overall)} reads. "
        f"Hit ratio {number(overall['hit_ratio'])} ({answers(overall)}); "
        f"fetch_md p95 {number(times['with_cache']['p95'])} ms with the "
        f"cache, {number(times['without_cache']['p95'])} ms without; error mean {number(errors['mean'])} bps, "
        f"p95 {number(errors['p95'])} bps; {share(overall['staleness']['over_half_spread_ratio'])} of the reads off "
        "by more than half the spread."
    )


def judged_of(overall: Mapping[str, Any]) -> str:
    """Return the number of reads compared with the true book, and of all reads: ``20 of 399``."""
    reads = overall["reads"] + overall["reads_in_holes"]
    return f"{count(overall['staleness']['judged'])} of {count(reads)}"


def answers(overall: Mapping[str, Any]) -> str:
    """Return the shares of fresh, stale and missed reads; the hit ratio includes stale ones."""
    statuses, reads = overall["statuses"], overall["reads"]
    if not reads:
        return "no reads"
    missed = reads - statuses["fresh"] - statuses["stale"]
    shares = ((statuses["fresh"], "fresh"), (statuses["stale"], "stale"), (missed, "missed"))
    return ", ".join(f"{percent(amount, reads)} {name}" for amount, name in shares)


def _reads_table(outcome: Mapping[str, Any]) -> str:
    rows = []
    for name, figures in _each(outcome):
        for use_case, found in figures["by_use_case"].items():
            statuses = [count(found["statuses"][status]) for status in STATUSES]
            reads = [count(found["reads"]), count(found["hits"]), number(found["hit_ratio"])]
            rows.append([name, use_case, *reads, *statuses])
    header = ["symbol", "use case", "reads", "hits", "hit ratio", *STATUSES]
    return table(header, rows, "ll" + "r" * (len(header) - 2))


def _staleness_table(outcome: Mapping[str, Any]) -> str:
    rows = []
    for name, figures in _each(outcome):
        for use_case, found in figures["by_use_case"].items():
            cost = found["staleness"]
            errors = [number(cost["error_bps"][q]) for q in ("mean", "p50", "p95", "p99", "max")]
            shares = ("over_half_spread_ratio", "top_price_differs_ratio", "top_differs_ratio")
            row = [name, use_case, count(cost["judged"]), *errors, *(share(cost[key]) for key in shares)]
            rows.append([*row, count(cost["without_book"]), count(cost["without_truth"])])
    header = ["symbol", "use case", "judged", "mean, bps", "p50", "p95", "p99", "max", "over half spread"]
    header += ["other best price", "other best level", "no book", "no truth"]
    return table(header, rows, "ll" + "r" * (len(header) - 2))


def _times_table(outcome: Mapping[str, Any]) -> str:
    rows = []
    for name, figures in _each(outcome):
        times = figures["fetch_md_ms"]
        for what, values in (
            ("age of the served book", figures["age_ms"]),
            ("fetch_md with the cache", times["with_cache"]),
            ("fetch_md without it", times["without_cache"]),
        ):
            rows.append([name, what, *(number(values[q]) for q in ("p50", "p95", "p99"))])
    return table(["symbol", "ms", "p50", "p95", "p99"], rows, "llrrr")


def _integrity_table(outcome: Mapping[str, Any]) -> str:
    overall = outcome["overall"]
    rows = []
    for name, figures in _each(outcome):
        stream = figures["stream"] or {}
        cells = [number(stream.get(key)) for key in ("gaps", "rewinds", "resyncs", "out_of_sync_s")]
        row = [name, *cells, count(figures["depth_misses"]), count(figures["pricing_on_stale"])]
        rows.append([*row, _by_reason(figures["invalidations"])])
    header = [
        "symbol",
        "gaps",
        "rewinds",
        "resyncs",
        "out of sync, s",
        "depth misses",
        "pricing on stale",
        "invalidations",
    ]
    asked = f"{count(overall['requests'])}, refused {count(overall['requests_refused'])}"
    return f"{table(header, rows, 'lrrrrrrl')}\n\nRequests to the venue: {asked}."


def _by_reason(counts: Mapping[str, int] | None) -> str:
    return ", ".join(f"{reason} {count(n)}" for reason, n in (counts or {}).items()) or NONE


def _fidelity(found: Mapping[str, Any]) -> str:
    left_out = ", ".join(f"{reason} {count(n)}" for reason, n in found["left_out"].items()) or NONE
    if not found["comparable"]:
        return f"Not comparable: no tick with its own answer that was not sampled (left out: {left_out})."
    names = ("cache_hit", "cache_age_ms", "used_stale")
    rows = [[name, share(found[f"{name}_agreement"])] for name in names]
    lines = [
        f"{count(found['compared'])} ticks compared; left out: {left_out}.",
        table(["answer", "agree"], rows, "lr"),
    ]
    for entry in found["first_divergences"]:
        differ = "; ".join(
            f"{name} recorded {shown(entry[name]['recorded'])}, replayed {shown(entry[name]['replayed'])}"
            for name in names
            if name in entry
        )
        lines.append(f"- line {entry['line']}, ts {entry['ts']:.6f}, {code(entry['symbol'])}: {differ}")
    return "\n\n".join(lines[:2]) + "\n\n" + "\n".join(lines[2:])


def _recording_table(outcome: Mapping[str, Any]) -> str:
    missing = [f"{kind} {', '.join(days)}" for kind, days in outcome["missing_days"].items() if days]
    files = inputs_table(outcome["inputs"])
    return f"{files}\n\nDays missing: {'; '.join(missing)}." if missing else files


def _each(outcome: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the figures of all symbols together, then of each; only the latter for a single symbol."""
    symbols = [(cell(symbol), figures) for symbol, figures in outcome["symbols"].items()]
    return symbols if len(symbols) == 1 else [("all", outcome["overall"]), *symbols]
