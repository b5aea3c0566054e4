"""The features of one symbol at one time."""

from __future__ import annotations

from collections import namedtuple
from typing import TYPE_CHECKING, Any, Final

from calib.features.live.table import FEATURE_TABLE

FEATURES: Final = tuple(feature.name for feature in FEATURE_TABLE)
"""Names of the features, in order."""

if TYPE_CHECKING:

    class _Fields(tuple[Any, ...]):
        _fields: tuple[str, ...]
        symbol: str
        fills_total: int
        fills_maker: int
        fills_taker: int

        def __new__(cls, *values: Any) -> _Fields: ...
        def __getattr__(self, name: str) -> float | None: ...
        def _asdict(self) -> dict[str, Any]: ...

else:
    _Fields = namedtuple("FeatureSnapshot", ("symbol", *FEATURES, "fills_total", "fills_maker", "fills_taker"))


class FeatureSnapshot(_Fields):
    """A named tuple: ``symbol``, the features under the names of the table, and the totals of fills.

    A feature without observations is None; units and definitions are in `calib.features.live`.
    """

    __slots__ = ()

    def as_dict(self) -> dict[str, Any]:
        """The values by name, ready for a JSON line."""
        return self._asdict()
