"""Table cells shared by the reports of replays: values, shares, notes and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from calib.limits import LimitResult
from calib.reports.markdown import cell, table
from calib.reports.numbers import NONE, count, number, percent

STATUSES: Final = ("fresh", "stale", "coalesced", "miss", "withheld", "unavailable")
"""The statuses of a read, in the order of the reports."""
_VERDICTS: Final = {True: "pass", False: "FAIL", None: "no data"}


def shown(value: Any) -> str:
    """Format a setting's value.

    >>> shown(None), shown(True), shown(60), shown(0.5), shown(["gap@2+1"])
    ('-', 'yes', '60', '0.5', 'gap@2+1')
    """
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or NONE
    return number(value, 9) if isinstance(value, float) else str(value)


def share(ratio: float | None) -> str:
    """Format a ratio in percent; `NONE` if it is None."""
    return NONE if ratio is None else percent(ratio, 1.0)


def verdict(passed: bool | None) -> str:
    """Return the text of a gate's verdict."""
    return _VERDICTS[passed]


def gate_table(gate: Sequence[LimitResult]) -> str:
    """Return the table of the limits with their verdicts."""
    rows = [
        [
            judged.limit.name,
            f"{judged.limit.sign} {number(judged.limit.limit)}",
            number(judged.value),
            verdict(judged.passed),
        ]
        for judged in gate
    ]
    return table(["figure", "limit", "value", "verdict"], rows, "lrrl")


def flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return an outcome's settings by key, including those of the cache.

    >>> flat({"fill": "stream", "md_cache": {"ttl_ms": 60}})
    {'fill': 'stream', 'md_cache.ttl_ms': 60}
    """
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= {f"md_cache.{name}": bound for name, bound in value.items()} if key == "md_cache" else {key: value}
    return found


def settings_table(settings: Mapping[str, Any]) -> str:
    """Return the table of settings in the form of `flat`."""
    return table(["setting", "value"], [[f"`{key}`", cell(shown(value))] for key, value in settings.items()], "ll")


def notes_list(notes: Sequence[str]) -> str:
    """Return notes as a list, with Markdown escaped: they may contain names from a feed."""
    return "\n".join(f"- {_plain(note)}" for note in notes)


def notes_of_all(names: Sequence[str], outcomes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the notes of several replays without duplicates, prefixed with their replays unless all have the note.

    >>> notes_of_all(["a", "b"], [{"notes": ["Late.", "Silent."]}, {"notes": ["Silent."]}])
    ['a: Late.', 'Silent.']
    """
    holders: dict[str, list[str]] = {}
    for name, outcome in zip(names, outcomes, strict=True):
        for note in outcome["notes"]:
            holders.setdefault(note, []).append(name)
    return [
        note if len(held_by) == len(names) else f"{'; '.join(held_by)}: {note}" for note, held_by in holders.items()
    ]


def headline(overall: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the figures of a replay for comparison with others."""
    staleness, times = overall["staleness"], overall["fetch_md_ms"]
    rows = [("reads", count(overall["reads"])), ("hit ratio", number(overall["hit_ratio"]))]
    rows += [(status, count(overall["statuses"][status])) for status in STATUSES]
    rows += [(f"age {q}, ms", number(overall["age_ms"][q])) for q in ("p50", "p95", "p99")]
    rows += [(f"fetch_md {q}, ms", number(times["with_cache"][q])) for q in ("p50", "p95", "p99")]
    rows += [(f"fetch_md {q} without the cache, ms", number(times["without_cache"][q])) for q in ("p50", "p95", "p99")]
    rows += [(f"error {q}, bps", number(staleness["error_bps"][q])) for q in ("mean", "p50", "p95", "p99", "max")]
    rows += [
        ("error over half the spread", share(staleness["over_half_spread_ratio"])),
        ("another best price", share(staleness["top_price_differs_ratio"])),
        ("pricing on stale", share(overall["pricing_on_stale_ratio"])),
        ("requests to the venue", count(overall["requests"])),
    ]
    return rows


def _plain(note: str) -> str:
    return "".join(f"\\{char}" if char in "\\`*_[]<>#|" else char for char in note)
