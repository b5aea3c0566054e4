"""Every way to corrupt a line, and how many are chosen."""

from __future__ import annotations

import pytest

from calib.simulation.malformed import MALFORMED, choose_malformed

HOUR = 3_600
START = 1_735_765_200  # 2025-01-01T21:00:00Z


def test_three_hours_show_every_way() -> None:
    ways = [way.name for hour in range(3) for way in choose_malformed("fills", START + hour * HOUR, 700)]
    assert sorted(ways) == sorted(way.name for way in MALFORMED)


def test_ticks_have_no_id_to_repeat() -> None:
    reasons = [way.reason for hour in range(3) for way in choose_malformed("pipeline_ticks", START + hour * HOUR, 700)]
    assert "duplicate" not in reasons
    assert "not_object" in reasons


@pytest.mark.parametrize(("lines", "ways"), [(0, 0), (1, 1), (199, 1), (450, 2), (5_000, 3)])
def test_few_lines_get_few(lines: int, ways: int) -> None:
    assert len(choose_malformed("fills", START, lines)) == ways
