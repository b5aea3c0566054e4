"""Faults of the simulated venue: a script of kinds, times and symbols."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from calib.errors import BadFault

_FORM: Final = re.compile(r"(?P<kind>[a-z-]+)@(?P<at>\d+(?:\.\d+)?)(?:\+(?P<span>\d+(?:\.\d+)?))?(?::(?P<symbol>\S+))?")
_EXAMPLE: Final = "Form: kind@start[+seconds][:SYMBOL], e.g. silence@600+5:BTCUSDT or reconnect@900+2"


class FaultKind(enum.StrEnum):
    """The kinds of fault."""

    SILENCE = "silence"
    """The socket stays open without messages; those sent meanwhile arrive together at the end."""
    RECONNECT = "reconnect"
    """The connection is lost; messages sent meanwhile are lost."""
    GAP = "gap"
    """Updates are lost on an open connection."""
    REST_ERROR = "rest-error"
    """A snapshot request fails after its usual latency."""
    REST_TIMEOUT = "rest-timeout"
    """A snapshot request is never answered."""
    PRICE_JUMP = "price-jump"
    """The market jumps at the start of the fault; ``seconds`` is the size of the jump in ticks."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: its kind, start and duration in seconds, and the symbol that it affects (None: all).

    >>> Fault.parse("silence@600+5:BTCUSDT")
    Fault(kind=<FaultKind.SILENCE: 'silence'>, start_s=600.0, span_s=5.0, symbol='BTCUSDT')
    """

    kind: FaultKind
    start_s: float
    span_s: float = 1.0
    symbol: str | None = None

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Parse a fault.

        Raises
        ------
        BadFault
            If the text is not a valid fault.
        """
        match = _FORM.fullmatch(text.strip())
        if match is None or match["kind"] not in [*FaultKind]:
            known = ", ".join(FaultKind)
            raise BadFault(f"{text!r} is not a valid fault", hint=f"{_EXAMPLE}; kinds: {known}")
        return cls(FaultKind(match["kind"]), float(match["at"]), float(match["span"] or 1.0), match["symbol"])

    def __str__(self) -> str:
        return f"{self.kind}@{self.start_s:.12g}+{self.span_s:.12g}{f':{self.symbol}' if self.symbol else ''}"


class FaultScript:
    """All the faults of a run, sorted by start.

    >>> script = FaultScript([Fault.parse("gap@10+2:A"), Fault.parse("silence@0+5")])
    >>> script.active(FaultKind.GAP, "A", 11.9), script.active(FaultKind.GAP, "A", 12.0)
    (True, False)
    >>> script.active(FaultKind.GAP, "B", 11.0), script.active(FaultKind.SILENCE, "B", 0.0)
    (False, True)
    """

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.faults: Sequence[Fault] = tuple(sorted(faults, key=lambda fault: (fault.start_s, str(fault))))
        self._by_kind = {kind: [fault for fault in self.faults if fault.kind is kind] for kind in FaultKind}

    def of(self, kind: FaultKind) -> Sequence[Fault]:
        """The faults of one kind, sorted by start."""
        return self._by_kind[kind]

    def active(self, kind: FaultKind, symbol: str, at_s: float) -> bool:
        """Whether a fault of that kind affects ``symbol`` at ``at_s`` seconds from the start."""
        return any(
            fault.start_s <= at_s < fault.start_s + fault.span_s and fault.symbol in (None, symbol)
            for fault in self._by_kind[kind]
        )
