"""Recording rules: computes the clean names from seed names, if only those are scraped."""

from __future__ import annotations

from typing import Final

from calib.metrics.histogram import MS_BOUNDS
from calib.metrics.names import LIVE, Follows, Metric
from calib.metrics.prometheus.rule import RecordingRule, rule_file

SOURCE: Final = ("source", "seed")
"""The label of computed series. If a bot exposes both sets, the rules must not record a clean series again; without
this label they would take their own results for the bot's, and stop and start in turn."""
_COMMENT: Final = """\
Clean names from seed names, for a bot that exposes only the seed names.
Written by `calib metrics rules`; if the bot exposes the clean names itself, these rules record nothing."""


def recording_rules() -> list[RecordingRule]:
    """The rules of every clean series that can be computed from a seed series."""
    return [rule for row in LIVE for follows in row.follows for rule in _rules(row, follows)]


def rules_text() -> str:
    """The recording rules as a file."""
    return rule_file("calib_clean_names", recording_rules(), comment=_COMMENT)


def _rules(row: Metric, follows: Follows) -> list[RecordingRule]:
    if row.kind != "histogram":
        return [_rule(row.name, follows.name, follows.factor, follows.labels)]
    found = [
        _rule(
            f"{row.name}_bucket",
            # The client writes 5.0 and other exporters 5.
            f'{follows.name}_bucket{{le=~"{_pattern(bound)}"}}',
            1.0,
            (("le", f"{round(bound * follows.factor, 12)!r}"),),
        )
        for bound in MS_BOUNDS
    ]
    found.append(_rule(f"{row.name}_bucket", f'{follows.name}_bucket{{le="+Inf"}}', 1.0, (("le", "+Inf"),)))
    found.append(_rule(f"{row.name}_sum", f"{follows.name}_sum", follows.factor, ()))
    found.append(_rule(f"{row.name}_count", f"{follows.name}_count", 1.0, ()))
    return found


def _rule(record: str, seed: str, factor: float, labels: tuple[tuple[str, str], ...]) -> RecordingRule:
    value = seed if factor == 1.0 else f"{seed} * {factor:g}"
    matchers = ",".join(f'{name}="{wanted}"' for name, wanted in (*labels, (SOURCE[0], "")))
    added = ",".join(name for name, _ in labels)
    ignoring = f" ignoring ({added})" if added else ""
    return RecordingRule(record, f"{value} unless{ignoring} {record}{{{matchers}}}", (*labels, SOURCE))


def _pattern(bound: float) -> str:
    whole = f"{bound:g}"
    return whole.replace(".", "[.]") if "." in whole else f"{whole}([.]0)?"
