"""A rule in words, for the terminal and for its page in the documentation."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from calib.policy.checker.findings import Rule
from calib.policy.checker.rules import RULES


def explained(rule: Rule) -> Iterator[str]:
    """The rule with its examples, line by line, at most 80 columns wide."""
    yield f"{rule.id} {rule.name} ({rule.severity.value})"
    yield f"{rule.title}."
    yield ""
    yield from textwrap.wrap(rule.why, 80)
    for title, code in (("Wrong:", rule.wrong), ("Right:", rule.right)):
        yield ""
        yield title
        yield ""
        yield from (f"    {line}".rstrip() for line in code.splitlines())


def page() -> str:
    """Every rule as one page of Markdown."""
    head = (
        "# Rules of `calib policy check`\n\n"
        "The static checker reads Python and finds caches of data that the caching policy prohibits. Errors lose\n"
        "money; warnings are worth a look. `calib policy check --explain CAL104` prints one of these sections.\n\n"
        "| rule | name | severity | finds |\n| --- | --- | --- | --- |\n"
    )
    rows = "".join(
        f"| [{rule.id}](#{rule.id.lower()}) | {rule.name} | {rule.severity.value} | {rule.title} |\n"
        for rule in RULES.values()
    )
    return head + rows + "".join(_section(rule) for rule in RULES.values())


def _section(rule: Rule) -> str:
    why = textwrap.fill(rule.why, 118)
    return (
        f"\n## {rule.id}\n\n**{rule.title}** ({rule.name}, {rule.severity.value}).\n\n{why}\n\n"
        f"Wrong:\n\n```python\n{rule.wrong}```\n\nRight:\n\n```python\n{rule.right}```\n"
    )
