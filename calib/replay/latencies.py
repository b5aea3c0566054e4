"""The latency of the replayed venue: constant, measured, or as the bot recorded it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from calib.errors import BadLatency
from calib.exchange_sim.latency import ConstantLatency, EmpiricalLatency, Latency
from calib.system import read_regular

DEFAULT_MS: Final = 36.0
KINDS: Final = ("constant", "recorded", "empirical")
_FORMS: Final = "Forms: constant:36, recorded, empirical:FILE (a file of one number of ms per line)"


@dataclass(frozen=True, slots=True)
class LatencyChoice:
    """A latency as chosen by the user.

    Parameters
    ----------
    kind
        ``constant``; ``recorded``: the fetch_md durations of recorded misses, in order; ``empirical``: values from a
        file, in order.
    values_ms
        The constant, or the measured values; empty for ``recorded`` until the feeds have been read.
    source
        The name of the file.

    >>> str(LatencyChoice.parse("constant:12.5"))
    'constant:12.5'
    """

    kind: str = "constant"
    values_ms: tuple[float, ...] = (DEFAULT_MS,)
    source: str = ""

    @classmethod
    def parse(cls, text: str) -> LatencyChoice:
        """Parse a choice; an empirical file is read.

        Raises
        ------
        BadLatency
            If it is not valid, or the file cannot be read or holds an invalid value.
        """
        kind, _, rest = text.strip().partition(":")
        if kind == "recorded" and not rest:
            return cls("recorded", ())
        if kind == "constant":
            return cls("constant", (ConstantLatency(_number(rest, f"--latency {text}")).ms,))
        if kind == "empirical" and rest:
            return cls("empirical", tuple(_file_values(Path(rest))), Path(rest).name)
        raise BadLatency(f"{text!r} is not a valid latency", hint=_FORMS)

    def source_of_ns(self) -> Latency:
        """Create a new latency source that starts at the first value."""
        return ConstantLatency(self.values_ms[0]) if self.kind == "constant" else EmpiricalLatency(self.values_ms)

    def __str__(self) -> str:
        if self.kind == "constant":
            return f"constant:{self.values_ms[0]:g}"
        return self.kind if self.kind == "recorded" else f"empirical:{self.source}"


def _file_values(path: Path) -> list[float]:
    try:
        lines = read_regular(path).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadLatency("cannot be read", where=str(path), hint=_FORMS) from error
    values = [_number(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not values:
        raise BadLatency("holds no latencies", where=str(path), hint=_FORMS)
    return values


def _number(text: str, where: str) -> float:
    try:
        return ConstantLatency(float(text)).ms
    except ValueError as error:  # BadLatency is one
        raise BadLatency(f"{text!r} is not a valid latency", where=where, hint=_FORMS) from error
