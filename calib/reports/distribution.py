"""The distribution of one column of numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from calib.reports.sparkline import histogram

if TYPE_CHECKING:
    import polars as pl

QUANTILES: Final = (("p05", 0.05), ("p25", 0.25), ("median", 0.5), ("p75", 0.75), ("p95", 0.95))


@dataclass(frozen=True, slots=True)
class Distribution:
    """The distribution of one target or feature over the kept intervals; figures are None without values.

    Parameters
    ----------
    n, nulls
        Number of intervals with and without a value.
    minimum, maximum, mean, sd
        In the column's unit; ``sd`` is the sample standard deviation (n - 1), None with fewer than two values.
    quantiles
        ``p05``, ``p25``, ``median``, ``p75``, ``p95``: linear interpolation between order statistics (definition 7 of
        Hyndman and Fan, 1996).
    bars
        The histogram in 16 equal bins from the minimum to the maximum.
    """

    name: str
    unit: str
    n: int
    nulls: int
    minimum: float | None
    quantiles: dict[str, float | None]
    maximum: float | None
    mean: float | None
    sd: float | None
    bars: str


def distribution(name: str, unit: str, column: pl.Series) -> Distribution:
    """Return the distribution of a column of finite numbers and nulls."""
    values = column.drop_nulls().to_numpy()
    n = int(values.size)
    if n == 0:
        return Distribution(name, unit, 0, len(column), None, {key: None for key, _ in QUANTILES}, None, None, None, "")
    mean, sd = _moments(values)
    return Distribution(
        name=name,
        unit=unit,
        n=n,
        nulls=len(column) - n,
        minimum=float(values.min()),
        quantiles=_quantiles(values),
        maximum=float(values.max()),
        mean=mean,
        sd=sd,
        bars=histogram(values),
    )


def _quantiles(values: npt.NDArray[np.float64]) -> dict[str, float | None]:
    # Scaled by 1/2 if the range would overflow a double; halving is exact.
    scale = 1.0 if math.isfinite(float(values.max()) - float(values.min())) else 2.0
    levels = np.quantile(values / scale, [share for _, share in QUANTILES], method="linear") * scale
    return {key: float(level) for (key, _), level in zip(QUANTILES, levels, strict=True)}


def _moments(values: npt.NDArray[np.float64]) -> tuple[float | None, float | None]:
    """Return the mean and sample standard deviation by exact sums; None if they overflow a double."""
    try:
        mean = math.fsum(values.tolist()) / len(values)
    except OverflowError:
        return None, None
    if len(values) < 2:
        return mean, None
    with np.errstate(over="ignore"):
        squares = np.square(values - mean)
    if not np.isfinite(squares).all():
        return mean, None
    try:
        sd = math.sqrt(math.fsum(squares.tolist()) / (len(values) - 1))
    except OverflowError:
        return mean, None
    return mean, sd if math.isfinite(sd) else None
