"""A rule in words, for the terminal and for its page in the documentation."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable, Iterator

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


def index() -> str:
    """The table of the rules, in Markdown."""
    head = (
        "# Rules of `calib policy check`\n\n"
        "The static checker reads Python and finds caches of data that the caching policy prohibits. Errors lose\n"
        "money; warnings are worth a look. `calib policy check --explain CAL104` prints one of these pages;\n"
        "[how to use it](../how-to/check-code-for-caches.md).\n\n"
        "| rule | name | severity | finds |\n| --- | --- | --- | --- |\n"
    )
    rows = (
        f"| [{rule.id}](policy-rules/{rule.id.lower()}.md) | {rule.name} | {rule.severity.value} | {rule.title} |\n"
        for rule in RULES.values()
    )
    return head + "".join(rows)


def page(rule: Rule) -> str:
    """One rule with its examples, in Markdown."""
    return (
        f"# {rule.id}: {rule.name}\n\n{rule.title}. Severity: {rule.severity.value}.\n\n"
        f"{textwrap.fill(rule.why, 118)}\n\n"
        f"## Wrong\n\n```python\n{rule.wrong}```\n\n## Right\n\n```python\n{rule.right}```\n\n"
        f"To keep one place all the same: `# calib: allow[{rule.id}] the reason`. [All rules](../policy-rules.md).\n"
    )


def pages() -> dict[str, Callable[[], str]]:
    """The makers of the index and of every rule's page, by their paths in the documentation."""
    made: dict[str, Callable[[], str]] = {"docs/reference/policy-rules.md": index}
    for rule in RULES.values():
        made[f"docs/reference/policy-rules/{rule.id.lower()}.md"] = functools.partial(page, rule)
    return made
