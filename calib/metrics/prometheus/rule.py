"""Prometheus rules, and the file that contains them.

The file is written without a YAML library: every text in it is ASCII in double quotes, which is the same in JSON and
YAML.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """A recording rule.

    Parameters
    ----------
    record
        The name of the recorded series.
    expr
        PromQL.
    labels
        Labels to add.
    """

    record: str
    expr: str
    labels: tuple[tuple[str, str], ...] = ()

    def lines(self) -> list[str]:
        """The rule in YAML, without indentation."""
        return [f"- record: {self.record}", f"  expr: {json.dumps(self.expr)}", *_mapping("labels", self.labels)]


@dataclass(frozen=True, slots=True)
class AlertRule:
    """An alert rule.

    Parameters
    ----------
    name
        In CamelCase, starting with ``Calib``.
    expr
        PromQL; the alert is active while it has a result.
    severity
        ``page``: requires attention now. ``warn``: requires attention today.
    summary
        One sentence with the value; Prometheus fills in ``{{ ... }}``.
    action
        The first step to take.
    hold
        How long ``expr`` must have a result before the alert fires, as a Prometheus duration; ``0m``: at once.
    """

    name: str
    expr: str
    severity: Literal["page", "warn"]
    summary: str
    action: str
    hold: str = "0m"

    def lines(self) -> list[str]:
        """The rule in YAML, without indentation."""
        return [
            f"- alert: {self.name}",
            f"  expr: {json.dumps(self.expr)}",
            f"  for: {self.hold}",
            *_mapping("labels", (("severity", self.severity),)),
            *_mapping("annotations", (("summary", self.summary), ("action", self.action))),
        ]


def _mapping(key: str, pairs: Sequence[tuple[str, str]]) -> list[str]:
    return [f"  {key}:", *(f"    {name}: {json.dumps(value)}" for name, value in pairs)] if pairs else []


def rule_file(group: str, rules: Sequence[RecordingRule | AlertRule], *, comment: str = "") -> str:
    """Return a rule file with one group.

    >>> print(rule_file("one", [RecordingRule("a_seconds", "a_ms / 1000", (("source", "seed"),))]), end="")
    groups:
    - name: one
      rules:
      - record: a_seconds
        expr: "a_ms / 1000"
        labels:
          source: "seed"
    """
    head = [f"# {line}" for line in comment.splitlines()]
    body = [f"  {line}" for rule in rules for line in rule.lines()]
    return "\n".join([*head, "groups:", f"- name: {group}", "  rules:", *body]) + "\n"
