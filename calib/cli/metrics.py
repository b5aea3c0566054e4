"""``calib metrics``: the names of the metrics, and the files for Prometheus and Grafana."""

from __future__ import annotations

import enum
import json
from dataclasses import asdict
from typing import Annotated

import typer

from calib.cli.command import add, command, group
from calib.cli.output import Session
from calib.errors import UsageError

app = group("metrics", epilog="Example: calib metrics alerts > calib-alerts.yml")


class NameSet(enum.StrEnum):
    """Set of names to print."""

    ALL = "all"
    SEED = "seed"
    CLEAN = "clean"


@app.callback(invoke_without_command=True)
def metrics(context: typer.Context) -> int:
    """Print the names of the metrics, and their rules, alerts and dashboard."""
    if context.invoked_subcommand is None:
        raise UsageError("calib metrics needs a command", hint="names, rules, alerts or dashboard")
    return 0


@command("metrics names", example="calib metrics names --set clean")
def names(
    session: Session,
    which: Annotated[NameSet, typer.Option("--set", help="The seed names, the clean names, or both.")] = NameSet.ALL,
) -> int:
    """Print every name with its type, set and owner; with -v also its meaning and unit."""
    from calib.metrics.names import TABLE

    rows = [row for row in TABLE if which is NameSet.ALL or getattr(row, which.value)]
    width = max(len(row.spelled) for row in rows)
    lines = []
    for row in rows:
        lines.append(f"{row.spelled:<{width}}  {row.kind:<9}  {row.sets:<11}  {row.owner}")
        if session.verbose:
            lines.append(f"    {row.help} Unit: {row.unit or 'none'}.")
    data = [
        {
            "name": row.name,
            "type": row.kind,
            "labels": list(row.labels),
            "unit": row.unit,
            "help": row.help,
            "owner": row.owner,
            "sets": [name for name in ("seed", "clean") if getattr(row, name)],
            "follows": [follows.name for follows in row.follows],
        }
        for row in rows
    ]
    return session.finish({"names": data}, lines)


@command("metrics rules", example="calib metrics rules > /etc/prometheus/calib-rules.yml")
def rules(session: Session) -> int:
    """Print the recording rules that compute clean names from seed names."""
    from calib.metrics.prometheus import recording_rules, rules_text

    data = [{"record": rule.record, "expr": rule.expr, "labels": dict(rule.labels)} for rule in recording_rules()]
    return session.finish({"rules": data}, rules_text().splitlines())


@command("metrics alerts", example="calib metrics alerts > /etc/prometheus/calib-alerts.yml")
def alerts(session: Session) -> int:
    """Print the alert rules."""
    from calib.metrics.prometheus import ALERTS, alerts_text

    return session.finish({"alerts": [asdict(alert) for alert in ALERTS]}, alerts_text().splitlines())


@command("metrics dashboard", example="calib metrics dashboard > calib-dashboard.json")
def dashboard(session: Session) -> int:
    """Print the Grafana dashboard: import it, and choose a Prometheus data source."""
    from calib.metrics.prometheus import dashboard as built

    made = built()
    return session.finish(made, json.dumps(made, indent=2).splitlines())


for _name, _body in (("names", names), ("rules", rules), ("alerts", alerts), ("dashboard", dashboard)):
    add(app, _name, _body)
