"""The report of a comparison of replays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from calib.limits import LimitResult
from calib.reports.markdown import cell, table
from calib.reports.numbers import NONE, number
from calib.reports.replay_cells import flat, headline, notes_list, notes_of_all, settings_table, shown, verdict


def compare_text(
    names: Sequence[str], outcomes: Sequence[Mapping[str, Any]], gates: Sequence[Sequence[LimitResult]] = ()
) -> str:
    """Return a comparison of configurations as Markdown; ``gates`` are the results of each, if evaluated."""
    settings = [flat(outcome["settings"]) for outcome in outcomes]
    differing = _differing(settings)
    span = outcomes[0]["range"]
    parts = [
        "# Replays side by side",
        f"{span['from']} to {span['to']}, the same recorded lines.",
        compare_tables(names, outcomes, gates),
        "## Notes",
        notes_list(notes_of_all(names, outcomes)),
        "## Settings that are the same",
        settings_table({key: value for key, value in settings[0].items() if key not in differing}),
    ]
    return "\n\n".join(parts) + "\n"


def compare_tables(
    names: Sequence[str], outcomes: Sequence[Mapping[str, Any]], gates: Sequence[Sequence[LimitResult]] = ()
) -> str:
    """Return the tables of the differing settings, the figures and the gates."""
    settings = [flat(outcome["settings"]) for outcome in outcomes]
    header, align = ["", *(cell(name) for name in names)], "l" + "r" * len(names)
    differ = [[cell(key), *(shown(each[key]) for each in settings)] for key in _differing(settings)]
    figures = [headline(outcome["overall"]) for outcome in outcomes]
    rows = [[column[0][0], *(value for _, value in column)] for column in zip(*figures, strict=True)]
    parts = [
        "## Settings that differ",
        table(header, differ, align) if differ else "None: the configurations are the same.",
        "## Figures",
        table(header, rows, align),
    ]
    if gates:
        parts += ["## Gate", table(header, _gate_rows(gates), align)]
    return "\n\n".join(parts)


def _gate_rows(gates: Sequence[Sequence[LimitResult]]) -> list[list[str]]:
    """Return value, limit and verdict of each gate; each configuration has its own limits."""
    names = dict.fromkeys(judged.limit.name for gate in gates for judged in gate)
    found = [{judged.limit.name: judged for judged in gate} for gate in gates]
    return [[name, *(NONE if name not in gate else _judged(gate[name]) for gate in found)] for name in names]


def _judged(judged: LimitResult) -> str:
    return f"{number(judged.value)} {judged.limit.sign} {number(judged.limit.limit)}: {verdict(judged.passed)}"


def _differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    return [key for key in settings[0] if len({str(each[key]) for each in settings}) > 1]
