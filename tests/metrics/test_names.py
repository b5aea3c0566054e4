"""The table of names holds together."""

from __future__ import annotations

import re

import pytest

from calib.features.snapshot import FEATURES
from calib.metrics.names import CRON, LIVE, TABLE, Metric, by_name
from calib.metrics.prometheus import recording_rules
from tests.metrics.promtool import needs_promtool, promtool

WITHOUT_A_CLEAN_SERIES = {
    # A quantile of a window cannot become a histogram's buckets.
    "mm_symbol_latency_p95",
    # Sums over symbols, and over liquidity, are a query over the clean names.
    "mm_md_cache_total_hits",
    "mm_md_cache_total_misses",
    "mm_symbol_fills_total",
}


def test_each_name_stands_once_and_is_in_a_set() -> None:
    names = [row.name for row in TABLE]
    assert len(set(names)) == len(names)
    assert [row.name for row in TABLE if not row.sets] == []


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_row_is_spelled_as_prometheus_wants_it(row: Metric) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", row.name)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", label) for label in row.labels)
    assert (row.kind == "counter") == row.name.endswith("_total")
    assert row.help.endswith(".")
    assert row.owner


def test_every_seed_name_is_clean_or_has_a_recording_rule_or_a_reason() -> None:
    followed = {follows.name for row in TABLE for follows in row.follows}
    left = {row.name for row in TABLE if row.seed and not row.clean} - followed
    assert left == WITHOUT_A_CLEAN_SERIES
    assert all(by_name()[name].seed for name in followed)


def test_a_factor_of_a_rule_is_the_ratio_of_the_units() -> None:
    units = {("milliseconds", "seconds"): 0.001}
    for row in TABLE:
        for follows in row.follows:
            seed = by_name()[follows.name]
            assert follows.factor == units.get((seed.unit, row.unit), 1.0), row.name
            if seed.key == row.key:
                assert row.factor / seed.factor == follows.factor


def test_rules_write_clean_names_only() -> None:
    clean = {f"{row.name}{end}" for row in LIVE if row.clean for end in ("", "_bucket", "_sum", "_count")}
    assert {rule.record for rule in recording_rules()} <= clean


@needs_promtool
def test_promtool_accepts_every_clean_name() -> None:
    text = "".join(_sample(row) for row in TABLE if row.clean)
    checked = promtool("check", "metrics", text=text)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def _sample(row: Metric) -> str:
    labels = "".join(f'{label}="x",' for label in row.labels)
    lines = [f"# HELP {row.name} {row.help}", f"# TYPE {row.name} {row.kind}"]
    if row.kind == "histogram":
        lines += [f'{row.name}_bucket{{{labels}le="+Inf"}} 1', f"{row.name}_sum{{{labels}}} 1"]
        lines += [f"{row.name}_count{{{labels}}} 1"]
    else:
        lines.append(f"{row.name}{{{labels}}} 1")
    return "\n".join(lines) + "\n"


def test_every_live_feature_has_a_name() -> None:
    assert set(FEATURES) <= {row.key for row in LIVE}


def test_text_files_share_no_name_with_a_bot() -> None:
    assert not {row.name for row in CRON} & {row.name for row in LIVE}
