"""The AB report: renders the data of an evaluation as Markdown, verdict first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from calib._version import __version__
from calib.files import settings_tail, write_atomic
from calib.reports.inputs import inputs_table
from calib.reports.markdown import cell, code, table
from calib.reports.numbers import NONE, count, duration, number
from calib.reports.render import environment
from calib.words import moment_text

BINS: Final = 60
"""Number of characters of a timeline."""
MARKS: Final = {"OK": "·", "VIOLATING": "▲", "INCONCLUSIVE": "?", "NODATA": " ", "ROLLED_BACK": "✕"}
_WORST: Final = ("ROLLED_BACK", "VIOLATING", "INCONCLUSIVE", "OK", "NODATA")
MAX_ROWS: Final = 200
"""Maximum number of symbols in a table; the JSON has all of them."""


def write_report(report: dict[str, Any], out: Path, settings: Mapping[str, Any] | None = None) -> Path:
    """Write ``out/reports/ab_run_<range>.md`` and return its path; ``settings`` are the non-default ones."""
    stamps = "_".join(
        datetime.fromtimestamp(report["range"][end], UTC).strftime("%Y%m%d_%H%M%S") for end in ("from", "to")
    )
    target = out / "reports" / f"ab_run_{stamps}{settings_tail(settings or {})}.md"
    write_atomic(target, report_text(report).encode())
    return target


def report_writer(out: Path | str) -> Callable[[dict[str, Any]], Path]:
    """Return a writer for `calib.ABHarness`, which writes ``OUT/reports/ab_run_<range>.md``."""

    def write(record: dict[str, Any]) -> Path:
        return write_report(live(record), Path(out))

    return write


def live(record: dict[str, Any]) -> dict[str, Any]:
    """Return a running harness's record in the form of `report_text`, with its windows as the totals."""
    end = max(record["range"]["to"], record["range"]["from"] + 1)
    return record | {
        "range": {**record["range"], "to": end},
        "assignment": {**record["assignment"], "recorded": False},
        "totals": record["deltas"],
        "by_symbol": {},
        "inputs": [],
        "live": True,
    }


def report_text(report: dict[str, Any]) -> str:
    """Return the report as Markdown; equal evaluations yield equal bytes."""
    return (
        environment()
        .get_template("ab.md.j2")
        .render(
            title=f"{moment(report['range']['from'])} to {moment(report['range']['to'])} UTC",
            verdict=verdict_line(report),
            other=other_line(report),
            metrics=metrics_table(report),
            threshold=threshold_table(report),
            sequential=sequential_table(report),
            srm=srm_line(report),
            symbols=symbol_table(report),
            timelines=timelines(report),
            legend=", ".join(f"`{mark}` {state}" for state, mark in MARKS.items() if state != "ROLLED_BACK"),
            assignment=assignment_table(report),
            rule=rule_line(report),
            settings=settings_table(report),
            inputs=inputs_table(report["inputs"]),
            left_out=left_out(report),
            shortened=len(report["by_symbol"]) > MAX_ROWS,
            max_rows=MAX_ROWS,
            version=__version__,
        )
    )


def moment(ts: float | None) -> str:
    """Format Unix seconds to the second."""
    return NONE if ts is None else moment_text(ts)


def verdict_line(report: dict[str, Any]) -> str:
    """Return the verdict of the deciding decision in one sentence."""
    name = report["decision"]
    act = report["first_act"][name]
    if act is not None:
        when = duration(round(act["ts"] - report["range"]["from"]))
        return (
            f"VIOLATED: the {name} decision requires a rollback at {moment(act['ts'])} (after {when}): `{act['gate']}`"
        )
    states = {gate["gate"]: gate["state"] for gate in report["verdicts"][name]["gates"]}
    said = "; ".join(f"`{gate}` {state}" for gate, state in states.items())
    if report["state"] == "OK":
        enough = " long enough for a rollback" if name == "threshold" else ""
        return f"OK: the {name} decision found no gate violated{enough} ({said})"
    if report["state"] == "VIOLATING":
        return f"VIOLATING at the end, not long enough for a rollback, by the {name} decision: {said}"
    return f"NO VERDICT ({report['state']}) by the {name} decision: {said}"


def other_line(report: dict[str, Any]) -> str:
    """Return the verdict of the other decision."""
    name = "sequential" if report["decision"] == "threshold" else "threshold"
    act = report["first_act"][name]
    if act is not None:
        return f"The {name} decision would have rolled back at {moment(act['ts'])}: `{act['gate']}`."
    states = sorted({gate["state"] for gate in report["verdicts"][name]["gates"]})
    return f"The {name} decision would not have rolled back (its gates end as {', '.join(states)})."


def metrics_table(report: dict[str, Any]) -> str:
    """Return the table of the six metrics over the whole run."""
    rows = []
    for name, entry in report["totals"].items():
        effect = report["effects"][name]
        gates = [gate["gate"] for gate in report["gates"] if gate["metric"] == name]
        rows.append(
            [
                f"{name}{', ' + entry['unit'] if entry['unit'] else ''}",
                number(entry["a"]),
                number(entry["b"]),
                signed(entry["delta"]),
                interval(effect),
                count(int(entry["n_a"])),
                count(int(entry["n_b"])),
                entry["direction"],
                ", ".join(pass_fail(report, gate) for gate in gates) or NONE,
            ]
        )
    header = ["metric", "A", "B", "B - A", "interval of the effect", "n A", "n B", "B is", "gate"]
    return table(header, rows, "lrrrrrrll")


def signed(value: float | None) -> str:
    """Format a number with its sign.

    >>> signed(0.25), signed(-1.0), signed(None)
    ('+0.25', '-1', '-')
    """
    return number(value) if value is None or value <= 0 else f"+{number(value)}"


def interval(effect: dict[str, Any] | None) -> str:
    """Format an effect's interval; a ratio in percent."""
    if effect is None:
        return NONE
    if effect["unit"] == "ratio":
        ends = [None if effect[end] is None else 100 * effect[end] for end in ("low", "high")]
        unit = " %"
    else:
        ends, unit = [effect["low"], effect["high"]], ""
    low, high = ("-inf" if ends[0] is None else signed(ends[0])), ("inf" if ends[1] is None else signed(ends[1]))
    return f"{low} .. {high}{unit}"


def pass_fail(report: dict[str, Any], gate: str) -> str:
    """Return the result of a gate under the deciding decision."""
    line = report["timelines"][gate][report["decision"]]
    if line["first_act"] is not None:
        return "FAIL"
    state: str = next(g["state"] for g in report["verdicts"][report["decision"]]["gates"] if g["gate"] == gate)
    return {"OK": "pass", "VIOLATING": "violating", "NODATA": "no data"}.get(state, state.lower())


def threshold_table(report: dict[str, Any]) -> str:
    """Return the table of the gates under the threshold decision: thresholds, times and counts."""
    rows = []
    passes = {gate["gate"]: gate["threshold"] for gate in report["gates"]}
    for gate in report["verdicts"]["threshold"]["gates"]:
        line, evidence = report["timelines"][gate["gate"]]["threshold"], gate["evidence"]
        counts = line["evaluations"]
        rows.append(
            [
                f"`{gate['gate']}`",
                passes[gate["gate"]],
                gate["state"],
                count(sum(counts.values())),
                count(counts.get("VIOLATING", 0)),
                count(counts.get("NODATA", 0)),
                count(evidence["violations"]),
                moment(line["first_violation"]),
                f"{evidence['held_s']:.0f}",
                moment(line["first_act"]),
            ]
        )
    header = ["gate", "B passes up to", "at the end", "evaluations", "violating", "no data", "violations"]
    return table([*header, "first violation", "held at the end, s", "acts at"], rows, "lllrrrrlrl")


def sequential_table(report: dict[str, Any]) -> str:
    """Return the table of the gates under the sequential decision: p-values and their share of alpha."""
    rows = []
    for gate in report["verdicts"]["sequential"]["gates"]:
        line, evidence = report["timelines"][gate["gate"]]["sequential"], gate["evidence"]
        p = number(evidence["p"])
        if "p_limit" in evidence:
            p += f" (limit: {number(evidence['p_limit'])})"
        rows.append(
            [
                f"`{gate['gate']}`",
                gate["state"],
                p,
                number(evidence["alpha"]),
                count(evidence["blocks"]),
                signed(evidence["effect"]),
                number(evidence["margin"]),
                moment(line["first_act"]),
                evidence["why"],
            ]
        )
    header = ["gate", "at the end", "p", "acts below", "blocks", "effect", "margin", "acts at", "why"]
    return table(header, rows, "llrrrrrll")


def srm_line(report: dict[str, Any]) -> str:
    """Return the sample-ratio check in one sentence."""
    srm = report["srm"]
    if srm["p"] is None:
        return "Not checked: no complete block."
    verdict = "MISMATCH: the comparison is not valid" if srm["mismatch"] else "as assigned"
    units = f"{count(srm['units_a'])} units with data in A, {count(srm['units_b'])} in B"
    expected = f"expected in B {100 * srm['expected_b']:.1f} %"
    test = f"chi-square {number(srm['chi_square'])}, p {number(srm['p'])} (mismatch below 0.001)"
    return f"{units}, {expected}; {test}: {verdict}."


def symbol_table(report: dict[str, Any]) -> str:
    """Return the table of each symbol's B - A, or its level if it was in one arm only."""
    rows = []
    for symbol, entry in list(report["by_symbol"].items())[:MAX_ROWS]:
        cells = [f"{count(entry['fills'].get(arm, 0))} / {count(entry['ticks'].get(arm, 0))}" for arm in "AB"]
        rows.append(
            [cell(symbol), entry["arms"] or NONE, *cells, *(_symbol_cell(entry[name]) for name in report["totals"])]
        )
    header = ["symbol", "arms", "fills / ticks A", "fills / ticks B", *report["totals"]]
    return table(header, rows, "llrr" + "r" * len(report["totals"]))


def _symbol_cell(values: dict[str, Any]) -> str:
    if values["delta"] is not None:
        return signed(values["delta"])
    level = values["a"] if values["b"] is None else values["b"]
    return NONE if level is None else f"({number(level)})"


def timelines(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Return, per gate, the state strips of both decisions and the spans in which it was violated."""
    return [
        {
            "gate": gate,
            "strips": "\n".join(
                f"{decision:<10} |{strip(lines[decision]['spans'], report['range']['from'], report['evaluated_to'])}|"
                for decision in ("threshold", "sequential")
            ),
            "spans": spans(lines, report["evaluated_to"]),
        }
        for gate, lines in report["timelines"].items()
    ]


def strip(found: list[list[Any]], begin: float, end: float, bins: int = BINS) -> str:
    """Return the states over time, one character per bin: the most severe state in the bin.

    >>> strip([[0, "OK"], [50, "VIOLATING"], [60, "OK"]], 0, 100, bins=10)
    '·····▲▲···'
    """
    width = max((end - begin) / bins, 1e-9)
    ends = [following[0] for following in found[1:]] + [end]
    cells = []
    for i in range(bins):
        low, high = begin + i * width, begin + (i + 1) * width
        seen = {state for (ts, state), until in zip(found, ends, strict=True) if ts < high and until >= low}
        cells.append(MARKS[next((state for state in _WORST if state in seen), "NODATA")])
    return "".join(cells)


def spans(lines: dict[str, Any], end: float, limit: int = 12) -> str:
    """Return a table of the longest violating spans of both decisions, in time order."""
    rows = []
    for decision in ("threshold", "sequential"):
        found = lines[decision]["spans"]
        ends = [following[0] for following in found[1:]] + [end]
        rows += [
            (ts, decision, until - ts) for (ts, state), until in zip(found, ends, strict=True) if state == "VIOLATING"
        ]
    longest = sorted(sorted(rows, key=lambda row: -row[2])[:limit])
    if not longest:
        return ""
    cells = [[moment(ts), decision, duration(round(length))] for ts, decision, length in longest]
    return table(["violating from", "decision", "for"], cells, "llr")


def assignment_table(report: dict[str, Any]) -> str:
    """Return the table of each symbol's arm at the end."""
    from calib.experiments.routing import hash_unit

    assignment = report["assignment"]
    rows = []
    for symbol, arm in list(assignment["symbols"].items())[:MAX_ROWS]:
        unit = NONE if assignment["recorded"] else f"{hash_unit(assignment['salt'], symbol):.4f}"
        rows.append([cell(symbol), arm, unit])
    return table(["symbol", "arm at the end", "hash"], rows, "llr")


def rule_line(report: dict[str, Any]) -> str:
    """Return the assignment rule in one sentence."""
    assignment = report["assignment"]
    block = f", blocks of {duration(round(assignment['block_s']))}" if assignment["rule"] == "switchback" else ""
    if assignment["recorded"]:
        kind = "a switchback" if assignment["rule"] == "switchback" else "persistent arms"
        return f"As recorded: {kind}{block}."
    split = f"{100 * assignment['split']:g} % of the symbols in B"
    return f"Assigned afterwards by `{assignment['rule']}`, salt {code(assignment['salt'])}, {split}{block}."


def settings_table(report: dict[str, Any]) -> str:
    """Return the table of the evaluation's settings."""
    rows = [[f"`ab.{name}`", NONE if value is None else str(value)] for name, value in report["settings"].items()]
    return table(["setting", "value"], rows, "ll")


def left_out(report: dict[str, Any]) -> str:
    """Return the table of lines that were read but not evaluated."""
    rows = [[name, count(n)] for name, n in report["counts"].items() if n]
    return table(["left out", "lines"], rows, "lr") if rows else ""
