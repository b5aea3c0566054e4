"""Markouts of groups and buckets of fills, with block-bootstrap intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np

from calib.fitting.arrays import Bools, Floats
from calib.fitting.bootstrap import (
    MIN_BLOCKS,
    benjamini_hochberg,
    block_length_s,
    block_of,
    block_sums,
    percentile_interval,
    resampled,
    two_sided_p,
)
from calib.fitting.buckets import Dimension
from calib.fitting.estimate import Estimate, finite
from calib.fitting.markouts_of import FillMarkouts

HORIZONS_S: Final = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0)
WEIGHTS: Final = ("notional", "equal")
ALL: Final = "all"


@dataclass(frozen=True, slots=True)
class MarkoutRow:
    """One row of the table.

    Parameters
    ----------
    group
        ``maker``, ``taker`` or ``trades``.
    bucket
        ``all``, or ``dimension=label``.
    horizon_s, weight
        Horizon, and ``notional`` (price times quantity) or ``equal``.
    n, blocks
        Number of fills, and of calendar blocks with fills.
    markout
        Weighted mean of s (M_h - M1) / M0, bps; no interval with fewer than 20 blocks. None without fills.
    net
        The same for s (M_h - p) / M0 - fee.
    effective, realised, impact
        Means over the same fills, bps: effective = realised + 2 impact.
    """

    group: str
    bucket: str
    horizon_s: float
    weight: str
    n: int
    blocks: int
    markout: Estimate | None
    net: Estimate | None
    effective: float | None
    realised: float | None
    impact: float | None

    def as_json(self) -> dict[str, Any]:
        estimate = {"est": None, "low": None, "high": None} if self.markout is None else self.markout.as_json()
        return {
            "group": self.group,
            "bucket": self.bucket,
            "horizon_s": self.horizon_s,
            "weight": self.weight,
            "n": self.n,
            "blocks": self.blocks,
            **estimate,
            "effective": finite(self.effective),
            "realised": finite(self.realised),
            "impact": finite(self.impact),
            "net": None if self.net is None else self.net.as_json(),
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """A bucket against the rest of its dimension, over the same bootstrap samples.

    ``q`` is p adjusted for the number of compared buckets (Benjamini and Hochberg), within one group, horizon and
    weight.
    """

    group: str
    bucket: str
    horizon_s: float
    weight: str
    difference: Estimate
    p: float
    q: float

    def as_json(self) -> dict[str, Any]:
        head = {"group": self.group, "bucket": self.bucket, "horizon_s": self.horizon_s, "weight": self.weight}
        return {**head, **self.difference.as_json(), "p": self.p, "q": self.q}


@dataclass(frozen=True, slots=True)
class GroupTable:
    """The results of one group of fills."""

    rows: tuple[MarkoutRow, ...]
    differences: tuple[Difference, ...]
    within: tuple[Difference, ...]


def joined(parts: Sequence[FillMarkouts]) -> FillMarkouts:
    """Combine the fills of several symbols into one table."""
    names = [field.name for field in fields(FillMarkouts)]
    return FillMarkouts(
        *(np.concatenate([getattr(part, name) for part in parts], axis=1 if name == "later" else 0) for name in names)
    )


def markout_table(
    group: str,
    fills: FillMarkouts,
    dims: Sequence[Dimension],
    horizons_s: Sequence[float] = HORIZONS_S,
    *,
    level: float = 0.95,
) -> GroupTable:
    """All rows, differences and staleness comparisons of one group."""
    rows: list[MarkoutRow] = []
    differences: list[Difference] = []
    within: list[Difference] = []
    for place, horizon in enumerate(horizons_s):
        slice_ = _Slice(group, fills, dims, place, horizon, level)
        for weight in WEIGHTS:
            found, compared = slice_.table(weight)
            rows += found
            differences += compared
            within += slice_.within_symbol_and_hour(weight)
    return GroupTable(tuple(rows), tuple(differences), tuple(within))


class _Slice:
    """The usable fills of one group at one horizon."""

    def __init__(
        self, group: str, fills: FillMarkouts, dims: Sequence[Dimension], place: int, horizon_s: float, level: float
    ) -> None:
        self._group, self._horizon_s, self._level = group, horizon_s, level
        usable = fills.usable(place)
        self._dims = [Dimension(dim.name, dim.labels, dim.code[usable]) for dim in dims]
        with np.errstate(invalid="ignore"):
            self._figures = {
                "markout": fills.markout(place)[usable],
                "net": fills.net(place)[usable],
                "realised": fills.realised(place)[usable],
                "impact": fills.impact(place)[usable],
            }
        self._notional = fills.weight[usable]
        self._blocks = block_of(fills.time_s[usable], block_length_s(horizon_s))
        self._n = int(usable.sum())

    def _buckets(self) -> Iterator[tuple[str, Dimension | None, Bools]]:
        yield ALL, None, np.ones(self._n, bool)
        for dim in self._dims:
            for place, label in enumerate(dim.labels):
                members = dim.members(place)
                if members.any():
                    yield f"{dim.name}={label}", dim, members

    def table(self, weight: str) -> tuple[list[MarkoutRow], list[Difference]]:
        """One row per bucket, and each bucket against the rest of its dimension."""
        weights = self._weights(weight)
        buckets = list(self._buckets())
        if not self._n:
            nothing = MarkoutRow(self._group, ALL, self._horizon_s, weight, 0, 0, None, None, None, None, None)
            return [nothing], []
        columns = [
            column
            for _, _, members in buckets
            for column in (
                weights * self._figures["markout"] * members,
                weights * self._figures["net"] * members,
                weights * members,
            )
        ]
        sums = block_sums(self._blocks, columns)
        drawn = resampled(sums) if sums.shape[1] >= MIN_BLOCKS else None
        rows = []
        for place, (name, _, members) in enumerate(buckets):
            rows.append(self._row(name, weight, members, weights, None if drawn is None else drawn[3 * place :][:3]))
        return rows, [] if drawn is None else self._differences(weight, buckets, sums, drawn)

    def _weights(self, weight: str) -> Floats:
        return self._notional if weight == "notional" else np.ones(self._n)

    def _row(self, name: str, weight: str, members: Bools, weights: Floats, drawn: Floats | None) -> MarkoutRow:
        mine = weights[members]
        means = {key: float((mine * values[members]).sum() / mine.sum()) for key, values in self._figures.items()}
        blocks = len(np.unique(self._blocks[members]))
        ends: list[tuple[float | None, float | None]] = [(None, None), (None, None)]
        if drawn is not None and blocks >= MIN_BLOCKS:
            with np.errstate(divide="ignore", invalid="ignore"):
                ends = [percentile_interval(drawn[row] / drawn[2], self._level) for row in (0, 1)]
        return MarkoutRow(
            self._group,
            name,
            self._horizon_s,
            weight,
            int(members.sum()),
            blocks,
            Estimate(means["markout"], *ends[0]),
            Estimate(means["net"], *ends[1]),
            # Computed from the means, not from the fills, so that the identity holds exactly.
            means["realised"] + 2 * means["impact"],
            means["realised"],
            means["impact"],
        )

    def _differences(
        self, weight: str, buckets: list[tuple[str, Dimension | None, Bools]], sums: Floats, drawn: Floats
    ) -> list[Difference]:
        found: list[tuple[str, Estimate, float]] = []
        for place, (name, dim, members) in enumerate(buckets):
            same = [other for other, (_, theirs, _) in enumerate(buckets) if theirs is dim and other != place]
            if dim is None or not same or len(np.unique(self._blocks[members])) < MIN_BLOCKS:
                continue
            rest = np.sum([drawn[3 * other :][:3] for other in same], axis=0)
            rest_sums = np.sum([sums[3 * other :][:3].sum(axis=1) for other in same], axis=0)
            mine, mine_sums = drawn[3 * place :][:3], sums[3 * place :][:3].sum(axis=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                values = mine[0] / mine[2] - rest[0] / rest[2]
            est = float(mine_sums[0] / mine_sums[2] - rest_sums[0] / rest_sums[2])
            found.append((name, Estimate(est, *percentile_interval(values, self._level)), two_sided_p(values)))
        return self._adjusted(weight, found)

    def within_symbol_and_hour(self, weight: str) -> list[Difference]:
        """Stale against fresh, and older against the youngest books, within (symbol, hour): an association.

        The regression of the markout on the bucket with a fixed effect per (symbol, hour): sum w (z - z_s) m over
        sum w (z - z_s) z, with z_s the weighted fraction in the stratum.
        """
        by_name = {dim.name: dim for dim in self._dims}
        if not self._n or not {"symbol", "hour", "used_stale", "cache_age_ms"} <= set(by_name):
            return []
        strata = by_name["symbol"].code * 24 + by_name["hour"].code
        found: list[tuple[str, Estimate, float]] = []
        for name in ("used_stale", "cache_age_ms"):
            dim = by_name[name]
            for place in range(1, len(dim.labels)):
                compared = (dim.code == place) | (dim.code == 0)
                result = self._regressed(compared, dim.code == place, strata, self._weights(weight))
                if result is not None:
                    found.append((f"{name}={dim.labels[place]} - {name}={dim.labels[0]}", *result))
        return self._adjusted(weight, found)

    def _regressed(
        self, compared: Bools, treated: Bools, strata: Any, weights: Floats
    ) -> tuple[Estimate, float] | None:
        blocks = self._blocks[compared]
        if len(np.unique(blocks)) < MIN_BLOCKS:
            return None
        z, w, m = treated[compared].astype(float), weights[compared], self._figures["markout"][compared]
        _, places = np.unique(strata[compared], return_inverse=True)
        share = np.bincount(places, w * z) / np.bincount(places, w)
        residual = w * (z - share[places])
        sums = block_sums(blocks, [residual * m, residual * z])
        total = sums.sum(axis=1)
        if total[1] <= 1e-9 * float((w * z).sum() + 1e-300):
            return None
        drawn = resampled(sums)
        with np.errstate(divide="ignore", invalid="ignore"):
            values = drawn[0] / drawn[1]
        return Estimate(float(total[0] / total[1]), *percentile_interval(values, self._level)), two_sided_p(values)

    def _adjusted(self, weight: str, found: list[tuple[str, Estimate, float]]) -> list[Difference]:
        adjusted = benjamini_hochberg([p for _, _, p in found])
        return [
            Difference(self._group, name, self._horizon_s, weight, difference, p, q)
            for (name, difference, p), q in zip(found, adjusted, strict=True)
        ]
