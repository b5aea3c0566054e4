"""The report of a sweep: the figures of each configuration, and which are Pareto-optimal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from calib.replay.sweep import Point, SkippedPoint, cheapest, frontier, without_effect
from calib.reports.markdown import cell, code, table
from calib.reports.numbers import count, number
from calib.reports.replay_cells import flat, notes_list, notes_of_all, settings_table, share, shown, verdict
from calib.reports.svg import Chart, Series, svg
from calib.words import counted

_Place: TypeAlias = tuple[float, float]
"""Mean error in bps, requests to the venue."""
_FIGURES = ["hit ratio", "error mean, bps", "error p95, bps", "fetch_md p95, ms", "pricing on stale", "requests"]


def sweep_text(
    points: Sequence[Point],
    picture: str | None,
    left_out: Sequence[SkippedPoint] = (),
    *,
    strict: bool = False,
    cost: str = "error",
) -> str:
    """Return a sweep as Markdown.

    Parameters
    ----------
    points
        The configurations, at least one.
    picture
        File name of `sweep_svg` in the report's directory, or None.
    left_out
        The combinations that are not valid configurations.
    strict
        Whether a limit without data counts as missed.
    cost
        The cost by which the cheapest is chosen, see `calib.replay.sweep.COSTS`.
    """
    span = points[0].outcome["range"]
    combinations = counted(len(points), "configuration") + (f", {len(left_out)} left out" if left_out else "")
    parts = [
        "# Sweep of a replay",
        f"{span['from']} to {span['to']}, {combinations}.",
        sweep_verdict(points, strict=strict, cost=cost),
        _limits(points),
        no_effect(points),
        sweep_table(points),
        "" if picture is None else f"![Requests against the cost of staleness]({picture})",
        *_left_out(left_out),
        "## Notes",
        notes_list(notes_of_all([_named(point.chosen) for point in points], [point.outcome for point in points])),
        "## Settings of all",
        settings_table(common_settings(points)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def sweep_verdict(points: Sequence[Point], *, strict: bool = False, cost: str = "error") -> str:
    """Return the cheapest configuration that meets the gate, in a sentence."""
    chosen = cheapest(points, strict=strict, cost=cost)
    if chosen is None:
        return "No configuration meets the gate."
    named = ", ".join(code(f"{name}={shown(value)}") for name, value in chosen.chosen.items())
    return f"The cheapest that meets the gate (the {_LEAST[cost]}): {named}."


_LEAST: Final = {"error": "least staleness", "requests": "fewest requests"}


def no_effect(points: Sequence[Point]) -> str:
    """Return the swept settings without effect, with the reason; empty if each had one."""
    return "\n\n".join(f"{code(name)} had no effect: {why}." for name, why in without_effect(points).items())


def sweep_table(points: Sequence[Point]) -> str:
    """Return the table of the configurations."""
    best, names = frontier(points), list(points[0].chosen)
    rows = []
    for row, point in enumerate(points, 1):
        overall = point.outcome["overall"]
        rows.append(
            [
                str(row),
                *(shown(point.chosen[name]) for name in names),
                number(point.hit_ratio),
                number(point.cost_bps),
                number(overall["staleness"]["error_bps"]["p95"]),
                number(overall["fetch_md_ms"]["with_cache"]["p95"]),
                share(overall["pricing_on_stale_ratio"]),
                count(overall["requests"]),
                "yes" if point in best else "",
                _gate(point),
            ]
        )
    header = ["", *(code(name) for name in names), *_FIGURES, "Pareto-optimal", "gate"]
    return table(header, rows, "r" * (1 + len(names) + len(_FIGURES)) + "ll")


def sweep_svg(points: Sequence[Point], *, strict: bool = False, cost: str = "error") -> str | None:
    """Return a chart of requests over the cost of staleness, with the Pareto-optimal points joined; None without data.

    The labels are the numbers of the configurations in the table.
    """
    best, chosen = frontier(points), cheapest(points, strict=strict, cost=cost)
    if not best:
        return None
    places: dict[_Place, list[int]] = {}
    for row, point in enumerate(points, 1):
        if point.measured:
            places.setdefault(_place(point), []).append(row)
    optimal = [_place(point) for point in best]
    dominated = [place for place in places if place not in optimal]
    series = [Series("Pareto-optimal", tuple(optimal), labels=tuple(_numbers(places[place]) for place in optimal))]
    if dominated:
        labels = tuple(_numbers(places[place]) for place in dominated)
        series.append(Series("others", tuple(dominated), joined=False, labels=labels))
    if chosen is not None:
        series.append(Series("cheapest passing", (_place(chosen),), joined=False, ring=True))
    title = "Requests against the cost of staleness"
    return svg(Chart(title, "error mean, bps", "requests to the venue", tuple(series)))


def common_settings(points: Sequence[Point]) -> dict[str, Any]:
    """Return the settings that are equal in all configurations, by key."""
    settings = [flat(point.outcome["settings"]) for point in points]
    return {key: value for key, value in settings[0].items() if all(each[key] == value for each in settings)}


def _gate(point: Point) -> str:
    """Return the verdict with its limits."""
    named = [judged.limit.name for judged in point.gate if judged.passed is point.passed]
    return verdict(point.passed) + (f": {', '.join(named)}" if not point.passed else "")


def _limits(points: Sequence[Point]) -> str:
    """Return the limits of the gate in a sentence."""
    limits = {tuple(judged.limit for judged in point.gate) for point in points}
    if len(limits) > 1:
        return "Each configuration has its own limits."
    named = [code(f"{limit.name} {limit.sign} {number(limit.limit)}") for limit in limits.pop()]
    return f"The gate: {', '.join(named)}." if named else "The gate has no limit."


def _left_out(left_out: Sequence[SkippedPoint]) -> list[str]:
    if not left_out:
        return []
    names = list(left_out[0].chosen)
    rows = [[*(shown(one.chosen[name]) for name in names), cell(one.why)] for one in left_out]
    return ["## Left out", table([*(code(name) for name in names), "why"], rows, "r" * len(names) + "l")]


def _place(point: Point) -> _Place:
    return point.cost_bps or 0.0, float(point.requests)


def _numbers(numbers: Sequence[int]) -> str:
    """Format increasing numbers as ranges.

    >>> _numbers([1, 2, 3, 5, 7, 8])
    '1-3, 5, 7-8'
    """
    runs: list[list[int]] = []
    for one in numbers:
        if runs and runs[-1][-1] == one - 1:
            runs[-1].append(one)
        else:
            runs.append([one])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _named(chosen: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={shown(value)}" for name, value in chosen.items())
