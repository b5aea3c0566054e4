"""The reports of replays: one replay, several side by side, a sweep with its frontier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from calib.pipeline.limits import Judged
from calib.replay.sweep import Point, cheapest, frontier
from calib.reports.markdown import cell, code, table
from calib.reports.numbers import NONE, count, number, percent
from calib.reports.svg import Chart, Series, svg

_STATUSES = ("fresh", "stale", "coalesced", "miss", "withheld", "unavailable")


def replay_text(outcome: Mapping[str, Any], gate: Sequence[Judged] = ()) -> str:
    """One replay as Markdown; the same outcome gives the same bytes."""
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
        "\n".join(f"- {_plain(note)}" for note in outcome["notes"]),
        "## Reads",
        _reads_table(outcome),
        "## What staleness cost",
        "The error is |served mid - true mid| over the true mid, at the moment at which the reader had the book.",
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
        _settings_table(outcome["settings"]),
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
    """The result in one sentence."""
    times, errors = overall["fetch_md_ms"], overall["staleness"]["error_bps"]
    return (
        f"Hit ratio {number(overall['hit_ratio'])}; fetch_md p95 {number(times['with_cache']['p95'])} ms with the "
        f"cache, {number(times['without_cache']['p95'])} ms without; error mean {number(errors['mean'])} bps, "
        f"p95 {number(errors['p95'])} bps; {_share(overall['staleness']['over_half_spread_ratio'])} of the reads off "
        "by more than half the spread."
    )


def gate_table(gate: Sequence[Judged]) -> str:
    """The conditions with their verdicts."""
    verdicts = {True: "pass", False: "FAIL", None: "no data"}
    rows = [
        [
            judged.limit.name,
            f"{judged.limit.sign} {number(judged.limit.limit)}",
            number(judged.value),
            verdicts[judged.passed],
        ]
        for judged in gate
    ]
    return table(["figure", "limit", "value", "verdict"], rows, "lrrl")


def compare_text(names: Sequence[str], outcomes: Sequence[Mapping[str, Any]]) -> str:
    """Configurations side by side as Markdown, with the settings in which they differ."""
    settings = [_flat(outcome["settings"]) for outcome in outcomes]
    keys = [key for key in settings[0] if len({str(each.get(key)) for each in settings}) > 1]
    header = ["", *(cell(name) for name in names)]
    differ = [[key, *(_value(each.get(key)) for each in settings)] for key in keys]
    rows = list(zip(*([value for _, value in _headline(outcome["overall"])] for outcome in outcomes), strict=True))
    labels = [label for label, _ in _headline(outcomes[0]["overall"])]
    span = outcomes[0]["range"]
    parts = [
        "# Replays side by side",
        f"{span['from']} to {span['to']}, the same recorded lines.",
        "## Settings that differ",
        table(header, differ, "l" + "r" * len(names)) if differ else "None: the configurations are the same.",
        _idle_faults(outcomes),
        "## Figures",
        table(header, [[label, *row] for label, row in zip(labels, rows, strict=True)], "l" + "r" * len(names)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def sweep_text(points: Sequence[Point], picture: str | None) -> str:
    """A sweep as Markdown."""
    best, chosen = frontier(points), cheapest(points)
    span, fill = points[0].outcome["range"], points[0].outcome["settings"]["fill"]
    names = list(points[0].chosen)
    rows = [
        [
            *(_value(point.chosen[name]) for name in names),
            number(point.hit_ratio),
            number(point.cost_bps),
            number(point.outcome["overall"]["staleness"]["error_bps"]["p95"]),
            number(point.outcome["overall"]["fetch_md_ms"]["with_cache"]["p95"]),
            _share(point.outcome["overall"]["pricing_on_stale_ratio"]),
            count(point.outcome["overall"]["requests"]),
            "yes" if point in best else "",
            "pass" if point.passed else "FAIL",
        ]
        for point in points
    ]
    figures = ["hit ratio", "error mean, bps", "error p95, bps", "fetch_md p95, ms", "pricing on stale", "requests"]
    header = [*(code(name) for name in names), *figures, "not beaten", "gate"]
    if chosen is None:
        verdict = "No configuration meets the gate."
    else:
        verdict = f"The cheapest that meets the gate (the least staleness): {_named(chosen)}."
    parts = [
        "# Sweep of a replay",
        f"{span['from']} to {span['to']}, {len(points)} configurations, filled by {fill}.",
        verdict,
        _idle_faults([point.outcome for point in points]),
        table(header, rows, "r" * (len(names) + len(figures)) + "ll"),
        "" if picture is None else f"![Hit ratio against the cost of staleness]({picture})",
    ]
    if fill == "stream":
        parts.append(
            "Books came from the stream, where TTLs have no effect on the prices served; sweep with `callback`."
        )
    return "\n\n".join(part for part in parts if part) + "\n"


def sweep_svg(points: Sequence[Point]) -> str | None:
    """Hit ratio against the cost of staleness, those that nobody beats joined; None where nothing was measured."""
    best, chosen = frontier(points), cheapest(points)
    if not best:
        return None
    beaten = [point for point in points if point.measured and point not in best]
    series = [Series("not beaten", _places(best))]
    if beaten:
        series.append(Series("beaten", _places(beaten), joined=False))
    if chosen is not None:
        series.append(Series("cheapest that passes", _places([chosen]), joined=False))
    title = "Hit ratio against the cost of staleness"
    return svg(Chart(title, "error mean, bps", "hit ratio", tuple(series), y_bounds=(0.0, 1.0)))


def _places(points: Sequence[Point]) -> tuple[tuple[float, float], ...]:
    return tuple((point.cost_bps or 0.0, point.hit_ratio or 0.0) for point in points)


def _named(point: Point) -> str:
    return ", ".join(f"{code(f'{name}={_value(value)}')}" for name, value in point.chosen.items())


def _headline(overall: Mapping[str, Any]) -> list[tuple[str, str]]:
    staleness, times = overall["staleness"], overall["fetch_md_ms"]
    rows = [("reads", count(overall["reads"])), ("hit ratio", number(overall["hit_ratio"]))]
    rows += [(status, count(overall["statuses"][status])) for status in _STATUSES]
    rows += [(f"age {q}, ms", number(overall["age_ms"][q])) for q in ("p50", "p95", "p99")]
    rows += [(f"fetch_md {q}, ms", number(times["with_cache"][q])) for q in ("p50", "p95", "p99")]
    rows += [(f"fetch_md {q} without the cache, ms", number(times["without_cache"][q])) for q in ("p50", "p95", "p99")]
    rows += [(f"error {q}, bps", number(staleness["error_bps"][q])) for q in ("mean", "p50", "p95", "p99", "max")]
    rows += [
        ("error over half the spread", _share(staleness["over_half_spread_ratio"])),
        ("another best price", _share(staleness["top_price_differs_ratio"])),
        ("pricing on stale", _share(overall["pricing_on_stale_ratio"])),
        ("requests to the venue", count(overall["requests"])),
    ]
    return rows


def _reads_table(outcome: Mapping[str, Any]) -> str:
    rows = []
    for name, figures in _each(outcome):
        for use_case, found in figures["by_use_case"].items():
            statuses = [count(found["statuses"][status]) for status in _STATUSES]
            reads = [count(found["reads"]), count(found["hits"]), number(found["hit_ratio"])]
            rows.append([name, use_case, *reads, *statuses])
    header = ["symbol", "use case", "reads", "hits", "hit ratio", *_STATUSES]
    return table(header, rows, "ll" + "r" * (len(header) - 2))


def _staleness_table(outcome: Mapping[str, Any]) -> str:
    rows = []
    for name, figures in _each(outcome):
        for use_case, found in figures["by_use_case"].items():
            cost = found["staleness"]
            errors = [number(cost["error_bps"][q]) for q in ("mean", "p50", "p95", "p99", "max")]
            shares = ("over_half_spread_ratio", "top_price_differs_ratio", "top_differs_ratio")
            row = [name, use_case, count(cost["judged"]), *errors, *(_share(cost[share]) for share in shares)]
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
    rows = [[name, _share(found[f"{name}_agreement"])] for name in names]
    lines = [
        f"{count(found['compared'])} ticks compared; left out: {left_out}.",
        table(["answer", "agree"], rows, "lr"),
    ]
    for entry in found["first_divergences"]:
        differ = "; ".join(
            f"{name} recorded {_value(entry[name]['recorded'])}, replayed {_value(entry[name]['replayed'])}"
            for name in names
            if name in entry
        )
        lines.append(f"- line {entry['line']}, ts {entry['ts']:.6f}, {code(entry['symbol'])}: {differ}")
    return "\n\n".join(lines[:2]) + "\n\n" + "\n".join(lines[2:])


def _recording_table(outcome: Mapping[str, Any]) -> str:
    rows = [
        [
            cell(entry["file"]),
            entry["sha256"][:12],
            count(entry["lines"]),
            count(entry["used"]),
            ", ".join(f"{reason} {count(n)}" for reason, n in entry["rejected"].items()) or NONE,
        ]
        for entry in outcome["inputs"]
    ]
    missing = [f"{kind} {', '.join(days)}" for kind, days in outcome["missing_days"].items() if days]
    files = table(["file", "sha256", "lines", "used", "rejected"], rows, "llrrl")
    return f"{files}\n\nDays missing: {'; '.join(missing)}." if missing else files


def _settings_table(settings: Mapping[str, Any]) -> str:
    rows = [[f"`{key}`", cell(_value(value))] for key, value in _flat(settings).items()]
    return table(["setting", "value"], rows, "ll")


def _each(outcome: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """All symbols together, then each; of a single symbol only that."""
    symbols = [(cell(symbol), figures) for symbol, figures in outcome["symbols"].items()]
    return symbols if len(symbols) == 1 else [("all", outcome["overall"]), *symbols]


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if key == "md_cache":
            flat |= _flat(value, "md_cache.")
        else:
            flat[prefix + key] = value
    return flat


def _value(value: Any) -> str:
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or NONE
    return number(value, 9) if isinstance(value, float) else str(value)


def _idle_faults(outcomes: Sequence[Mapping[str, Any]]) -> str:
    """A sentence on faults that struck nothing; empty where there were none."""
    idle = [fault for outcome in outcomes for fault in outcome["settings"]["faults_without_effect"]]
    named = ", ".join(code(fault) for fault in dict.fromkeys(idle))
    return f"Without effect where a callback fills the cache: {named}." if idle else ""


def _share(ratio: float | None) -> str:
    return NONE if ratio is None else percent(ratio, 1.0)


def _plain(note: str) -> str:
    """A note may carry names from a feed: nothing in it is Markdown."""
    return "".join(f"\\{char}" if char in "\\`*_[]<>#|" else char for char in note)
