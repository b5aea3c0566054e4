"""The sanity filters: they drop rows with too few ticks, too many late ticks, too long gaps or NaN values."""

from calib.dataset.filters.base import Filter
from calib.dataset.filters.deadline_miss import DeadlineMiss
from calib.dataset.filters.low_ticks import LowTicks
from calib.dataset.filters.non_finite import NonFinite
from calib.dataset.filters.registry import FILTERS, REASONS, chosen_filters
from calib.dataset.filters.ws_gap import WsGap

__all__ = ["FILTERS", "REASONS", "DeadlineMiss", "Filter", "LowTicks", "NonFinite", "WsGap", "chosen_filters"]
