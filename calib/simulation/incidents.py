"""Incidents: outages of the bot, silences of its stream, bad deploys. Drawn per hour, independent of the list of
symbols."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from calib.simulation.named_rng import NamedRng

HOUR_S: Final = 3_600


class IncidentKind(enum.StrEnum):
    """The kinds of incident."""

    OUTAGE = "outage"
    """The bot is down: no ticks, no quotes."""
    SILENCE = "silence"
    """The market-data stream is silent: the cache cannot be trusted, every read goes to the venue."""
    BAD_DEPLOY = "bad-deploy"
    """A release that computes slowly and quotes too close to the mid."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident.

    Parameters
    ----------
    kind
        The kind of incident.
    start_us, end_us
        Unix time in microseconds, the end exclusive.
    share
        Fraction of the symbols that it affects; 1 is all.
    label
        Identifies the incident; with a symbol's name it decides whether that symbol is affected.
    """

    kind: IncidentKind
    start_us: int
    end_us: int
    share: float
    label: str

    def strikes(self, symbol: str) -> bool:
        """Whether it affects that symbol; independent of the other symbols."""
        return self.share >= 1.0 or NamedRng("strikes", self.label, symbol).uniform() < self.share


@dataclass(frozen=True, slots=True)
class Rate:
    """Probability per hour, range of the duration (s) and fraction of symbols of one kind of incident."""

    kind: IncidentKind
    per_hour: float
    shortest_s: int
    longest_s: int
    share: float


RATES: Final = (
    Rate(IncidentKind.OUTAGE, 0.4, 200, 560, 1.0),
    Rate(IncidentKind.SILENCE, 0.6, 80, 240, 0.35),
    Rate(IncidentKind.BAD_DEPLOY, 0.35, 720, 1_500, 0.35),
)


def draw_incidents(seed: int, hour_start_s: int) -> list[Incident]:
    """Draw the incidents of one hour, at most one per kind; each ends within the hour."""
    rng = NamedRng(seed, "incidents", hour_start_s)
    found = []
    for rate in RATES:
        comes = rng.happens(rate.per_hour)
        length_s = rng.between(rate.shortest_s, rate.longest_s)
        start_s = hour_start_s + rng.between(0, HOUR_S - length_s)
        if comes:
            label = f"{seed}/{hour_start_s}/{rate.kind}"
            found.append(Incident(rate.kind, start_s * 1_000_000, (start_s + length_s) * 1_000_000, rate.share, label))
    return found


class IncidentSchedule:
    """The incidents that affect one symbol."""

    __slots__ = ("_incidents",)

    def __init__(self, incidents: Sequence[Incident], symbol: str) -> None:
        self._incidents = tuple(incident for incident in incidents if incident.strikes(symbol))

    def at(self, kind: IncidentKind, now_us: int) -> Incident | None:
        """The active incident of that kind, or None."""
        for incident in self._incidents:
            if incident.kind is kind and incident.start_us <= now_us < incident.end_us:
                return incident
        return None
