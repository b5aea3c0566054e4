"""Incidents: drawn per hour, alike for every list of symbols."""

from __future__ import annotations

from calib.simulation.incidents import RATES, Incident, IncidentKind, IncidentSchedule, draw_incidents

HOUR_US = 3_600 * 1_000_000
SYMBOLS = [f"S{i}" for i in range(400)]


def test_each_lies_within_its_hour_and_comes_as_often_as_its_rate_says() -> None:
    hours = range(0, 1_000 * 3_600, 3_600)
    found = {hour: draw_incidents(3, hour) for hour in hours}
    for hour, incidents in found.items():
        for incident in incidents:
            assert hour * 1_000_000 <= incident.start_us < incident.end_us <= hour * 1_000_000 + HOUR_US
    for rate in RATES:
        share = sum(any(i.kind is rate.kind for i in incidents) for incidents in found.values()) / 1_000
        assert abs(share - rate.per_hour) < 4 * (rate.per_hour * (1 - rate.per_hour) / 1_000) ** 0.5


def test_a_share_of_the_symbols_is_struck_whoever_else_is_there() -> None:
    incident = Incident(IncidentKind.SILENCE, 0, HOUR_US, 0.35, "a silence")
    struck = [symbol for symbol in SYMBOLS if incident.strikes(symbol)]
    assert abs(len(struck) / 400 - 0.35) < 4 * (0.35 * 0.65 / 400) ** 0.5
    assert struck == [symbol for symbol in reversed(SYMBOLS) if incident.strikes(symbol)][::-1]


def test_trouble_knows_its_beginning_and_its_end() -> None:
    outage = Incident(IncidentKind.OUTAGE, 100, 200, 1.0, "an outage")
    trouble = IncidentSchedule([outage], "BTCUSDT")
    assert [trouble.at(IncidentKind.OUTAGE, now) for now in (99, 100, 199, 200)] == [None, outage, outage, None]
    assert trouble.at(IncidentKind.SILENCE, 150) is None
