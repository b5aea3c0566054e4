"""The description of a rule, for the terminal and for its documentation page."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable, Iterator

from calib.policy.checker.findings import Rule
from calib.policy.checker.rules import RULES


def explained(rule: Rule) -> Iterator[str]:
    """Yield the rule with its examples, line by line, at most 80 columns wide."""
    yield f"{rule.id} {rule.name} ({rule.severity.value})"
    yield f"{rule.title}."
    yield ""
    yield from textwrap.wrap(rule.why, 80)
    for title, code in (("Wrong:", rule.wrong), ("Right:", rule.right)):
        yield ""
        yield title
        yield ""
        yield from (f"    {line}".rstrip() for line in code.splitlines())


def index() -> str:
    """Return the table of the rules in Markdown."""
    head = (
        "# Rules of `calib policy check`\n\n"
        "The static checker analyses Python code and finds caches of data that the caching policy prohibits. Errors\n"
        "can cause losses; warnings should be reviewed. `calib policy check --explain CAL104` prints one of these\n"
        "pages; see [how to check code](../how-to/check-code-for-caches.md).\n\n"
        "| rule | name | severity | finds |\n| --- | --- | --- | --- |\n"
    )
    rows = (
        f"| [{rule.id}](policy-rules/{rule.id.lower()}.md) | {rule.name} | {rule.severity.value} | {rule.title} |\n"
        for rule in RULES.values()
    )
    return head + "".join(rows)


def page(rule: Rule) -> str:
    """Return one rule with its examples in Markdown."""
    return (
        f"# {rule.id}: {rule.name}\n\n{rule.title}. Severity: {rule.severity.value}.\n\n"
        f"{textwrap.fill(rule.why, 118)}\n\n"
        f"## Wrong\n\n```python\n{rule.wrong}```\n\n## Right\n\n```python\n{rule.right}```\n\n"
        f"To allow a finding: `# calib: allow[{rule.id}] the reason`. [All rules](../policy-rules.md).\n"
    )


def pages() -> dict[str, Callable[[], str]]:
    """Return the functions that render the index and each rule's page, by path in the documentation."""
    made: dict[str, Callable[[], str]] = {"docs/reference/policy-rules.md": index}
    for rule in RULES.values():
        made[f"docs/reference/policy-rules/{rule.id.lower()}.md"] = functools.partial(page, rule)
    return made
