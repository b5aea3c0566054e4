"""What goes wrong: outages of the bot, silences of its stream, bad deploys. Drawn per hour, the same for every symbol
list."""

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
    """The market-data stream says nothing: the cache cannot be trusted, every read goes to the venue."""
    BAD_DEPLOY = "bad-deploy"
    """A release that computes slowly and quotes too close to the mid."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident.

    Parameters
    ----------
    kind
        What goes wrong.
    start_us, end_us
        Unix time in microseconds, the end exclusive.
    share
        Share of the symbols that it strikes; 1 is all.
    label
        Which incident this is; decides with a symbol's name whether that symbol is struck.
    """

    kind: IncidentKind
    start_us: int
    end_us: int
    share: float
    label: str

    def strikes(self, symbol: str) -> bool:
        """Whether it strikes that symbol: the same answer whatever other symbols there are."""
        return self.share >= 1.0 or NamedRng("strikes", self.label, symbol).uniform() < self.share


@dataclass(frozen=True, slots=True)
class Rate:
    """How often one kind comes (probability per hour), how long it lasts (s), and how wide it reaches."""

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
    """The incidents of one hour, by kind; each ends within its hour."""
    chance = NamedRng(seed, "incidents", hour_start_s)
    found = []
    for rate in RATES:
        comes = chance.happens(rate.per_hour)
        length_s = chance.between(rate.shortest_s, rate.longest_s)
        start_s = hour_start_s + chance.between(0, HOUR_S - length_s)
        if comes:
            label = f"{seed}/{hour_start_s}/{rate.kind}"
            found.append(Incident(rate.kind, start_s * 1_000_000, (start_s + length_s) * 1_000_000, rate.share, label))
    return found


class IncidentSchedule:
    """The incidents that strike one symbol, asked moment by moment."""

    __slots__ = ("_incidents",)

    def __init__(self, incidents: Sequence[Incident], symbol: str) -> None:
        self._incidents = tuple(incident for incident in incidents if incident.strikes(symbol))

    def at(self, kind: IncidentKind, now_us: int) -> Incident | None:
        """The incident of that kind that is going on, or None."""
        for incident in self._incidents:
            if incident.kind is kind and incident.start_us <= now_us < incident.end_us:
                return incident
        return None
