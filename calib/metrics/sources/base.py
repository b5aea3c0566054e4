"""The base of metric sources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from calib.errors import ConfigError
from calib.metrics.samples import Samples


@dataclass(frozen=True, slots=True)
class MetricSource:
    """A kind of part, and how to read it.

    Parameters
    ----------
    name
        The keyword of `calib.metrics.register`.
    needs
        Attributes that are read.
    read
        Reports the facts of a part. It runs in the scraping thread, awaits nothing and does not change the part.
    """

    name: str
    needs: tuple[str, ...]
    read: Callable[[Any, Samples], None]

    def check(self, part: Any) -> None:
        """Check that a part can be read.

        Raises
        ------
        calib.errors.ConfigError
            If it lacks an attribute.
        """
        lacking = [name for name in self.needs if not hasattr(part, name)]
        if lacking:
            raise ConfigError(
                f"{type(part).__name__} has no attribute {' and no attribute '.join(lacking)}",
                where=f"register, {self.name}",
                hint="Pass the object that docs/reference/metrics.md names as the owner",
            )
