"""What a source is: one part of a bot, and how its facts are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from calib.errors import ConfigError
from calib.metrics.samples import Samples


@dataclass(frozen=True, slots=True)
class MetricSource:
    """One kind of part.

    Parameters
    ----------
    name
        The keyword of `calib.metrics.register`.
    needs
        Attributes that are read of the part.
    read
        Reports its facts. It runs in the scraping thread, awaits nothing and changes nothing of the part.
    """

    name: str
    needs: tuple[str, ...]
    read: Callable[[Any, Samples], None]

    def check(self, part: Any) -> None:
        """Refuse a part that cannot be read.

        Raises
        ------
        calib.errors.ConfigError
            Where it lacks an attribute.
        """
        lacking = [name for name in self.needs if not hasattr(part, name)]
        if lacking:
            raise ConfigError(
                f"a {type(part).__name__} has no {' and no '.join(lacking)}",
                where=f"register, {self.name}",
                hint=f"Give as {self.name} what the reference of metrics names as its owner",
            )
