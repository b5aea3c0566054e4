"""The page for users of the first design names only what there is."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import calib

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "first-design.md"
KEPT = PAGE.read_text("utf-8").split("## Kept")[1].split("## Changed")[0]


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([A-Z][A-Za-z]+)`", KEPT))))
def test_a_class_that_was_kept_is_exported(name: str) -> None:
    assert inspect.isclass(getattr(calib, name))


def test_the_members_that_were_kept_answer() -> None:
    assert {"max_age_ms", "fresh_only", "expected_update_id", "use_case"} <= set(
        inspect.signature(calib.MDCache.get_orderbook).parameters
    )
    calib.StageMetrics().record_md_refresh_latency(12.5)
    for name in ("symbol", "orderbook", "timestamp_ms"):
        assert hasattr(calib.MDCacheEntry, name)


def test_the_old_decision_is_accepted_with_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "calib.yaml"
    file.write_text("ab: {decision: seed}\n")
    with pytest.warns(DeprecationWarning, match="'seed' is now called 'threshold'"):
        assert calib.load_config(file).ab.decision == "threshold"
