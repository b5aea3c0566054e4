"""The table of live features; snapshots, the reference page and the contract tests are derived from it."""

from __future__ import annotations

from typing import Final

from calib.features.live.adverse_move_bps import AdverseMoveBps
from calib.features.live.base import LiveFeature
from calib.features.live.fill_rate import FillRate
from calib.features.live.latency_p95 import LatencyP95
from calib.features.live.liq_top_depth import LiqTopDepth
from calib.features.live.pnl_dev import PnlDev
from calib.features.live.queue_absorb_rate import QueueAbsorbRate
from calib.features.live.queue_eta_ms import QueueEtaMs
from calib.features.live.slippage_bps import SlippageBps
from calib.features.live.taker_share import TakerShareFeature
from calib.features.live.vol_realized import VolRealized

FEATURE_TABLE: Final[tuple[type[LiveFeature], ...]] = (
    VolRealized,
    LiqTopDepth,
    LatencyP95,
    PnlDev,
    FillRate,
    TakerShareFeature,
    QueueAbsorbRate,
    QueueEtaMs,
    SlippageBps,
    AdverseMoveBps,
)
"""In the order of snapshots; a feature may read earlier ones. To add one, see CONTRIBUTING.md."""
