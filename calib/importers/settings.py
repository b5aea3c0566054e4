"""The settings of imports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from calib.config import Setting, setting, settings_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSettings:
    """The ``import`` section."""

    limit_as: str = setting(
        "reject", "Liquidity of Hummingbot's plain LIMIT orders, or reject", choices=("maker", "taker", "reject")
    )
    buffer_mb: int = setting(
        64, "Memory for sorting imported lines, MiB; what does not fit is sorted on disk", 1, 65_536
    )


SETTINGS: Final[dict[str, Setting]] = settings_of(ImportSettings, "import")
