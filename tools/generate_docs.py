"""Update the generated parts of the documentation from the code that they describe.

Some pages are generated completely (`PAGES`). In other pages, the text between ``<!-- generated: NAME -->`` and
``<!-- end: NAME -->`` is replaced. ``--check`` changes nothing and exits 1 if a page is not current.
"""

from __future__ import annotations

import enum
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import typer.main

import calib
from calib.app_config import SETTINGS
from calib.cli.app import app
from calib.dataset.columns import COUNTS, FEATURES, TARGETS, Column
from calib.errors import CalibError, all_errors
from calib.features import FEATURE_TABLE
from calib.feeds.schema import reference
from calib.fitting.verdict import DO_NOT_USE, FAILING, LACKING, NOT_ENOUGH_DATA
from calib.market.venues import VENUES
from calib.metrics.names import CRON, LIVE, Metric
from calib.metrics.prometheus import ALERTS, alerts_text, dashboard_text, rules_text
from calib.policy import DATA_TYPES, QUESTIONS
from calib.policy.checker import explain as rules
from calib.policy.static.formats import FORMATS
from calib.reports.alerts import MEANINGS
from calib.smartcache import TARGETS as WATCHED
from calib.smartcache import SmartCacheTarget
from tools import venue_pages

ROOT: Final = Path(__file__).resolve().parent.parent
_BLOCK: Final = re.compile(r"(<!-- generated: (?P<name>[\w-]+) -->\n).*?(<!-- end: (?P=name) -->)", re.DOTALL)
_WIDTH: Final = 110


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def alerts() -> str:
    """Return the alert rules of the summary."""
    rows = [[f"`{name}`", *words] for name, words in MEANINGS.items()]
    return _table(("alert", "severity", "raised if", "meaning"), rows)


def fit_reasons() -> str:
    """Return the reasons of a fit's verdict."""
    kinds = ((NOT_ENOUGH_DATA, LACKING), (DO_NOT_USE, FAILING))
    rows = [[f"`{name}`", f"`{verdict}`", meaning] for verdict, each in kinds for name, meaning in each.items()]
    return _table(("reason", "verdict", "meaning"), rows)


def columns() -> str:
    """Return the targets, features and counts of a dataset."""
    kinds: tuple[tuple[str, tuple[Column, ...]], ...] = (("target", TARGETS), ("feature", FEATURES), ("count", COUNTS))
    rows = [
        [f"`{column.name}`", kind, column.unit, column.better or "-", column.meaning]
        for kind, each in kinds
        for column in each
    ]
    return _table(("column", "kind", "unit", "better", "meaning"), rows)


def errors() -> str:
    """Return all errors with their stable names and exit codes."""
    # Only those of the module: classes that other modules add are not part of the contract.
    kinds = [kind for kind in all_errors() if kind is not CalibError and kind.__module__ == CalibError.__module__]
    rows = [[f"`{kind.name}`", str(kind.exit_code), f"`{kind.__name__}`", _first_line(kind)] for kind in kinds]
    return _table(("name", "exit code", "class", "meaning"), sorted(rows, key=lambda row: (int(row[1]), row[0])))


def _first_line(kind: type[CalibError]) -> str:
    """Return the first paragraph of the docstring of a class, as Markdown."""
    paragraph = " ".join((kind.__doc__ or "").strip().split("\n\n")[0].split())
    return paragraph.replace("``", "`").rstrip(".")


def configuration() -> str:
    """Return all keys of the configuration."""
    rows = [
        [f"`{key}`", _default(setting.default), setting.allowed, f"`{setting.variable}`", setting.meaning]
        for key, setting in SETTINGS.items()
    ]
    return _table(("key", "default", "allowed", "environment variable", "meaning"), rows)


def _default(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case list():
            return ", ".join(map(str, value)) or "(empty)"
        case dict():
            return ", ".join(f"{name}={number}" for name, number in value.items()) or "(empty)"
        case _:
            return str(value)


def smartcache_targets() -> str:
    """Return the monitoring targets of the SmartCache."""
    rows = [
        [f"`{target.name}`", f"`{target.path}`", _bounds(target), target.meaning, target.what_to_do]
        for target in WATCHED
    ]
    return _table(("target", "figure of `get_metrics()`", "should be", "if outside", "what to do"), rows)


def _bounds(target: SmartCacheTarget) -> str:
    unit = {"pct": " %", "ms": " ms", "bool": ""}[target.unit]
    if target.low is not None and target.high is not None:
        return f"{target.low:g} to {target.high:g}{unit}"
    if target.high is not None:
        return f"{'at most' if target.high_allowed else 'below'} {target.high:g}{unit}"
    return "true" if target.unit == "bool" else f"at least {target.low:g}{unit}"


def commands() -> str:
    """Return the help of every command, as shown in a terminal."""
    parts = []
    for name, command in _commands(typer.main.get_command(app), "calib"):
        context = typer.Context(command, info_name=name, terminal_width=_WIDTH, max_content_width=_WIDTH)
        text = "\n".join(line.rstrip() for line in command.get_help(context).split("\n"))
        parts.append(f"## {name}\n\n```text\n{text}\n```")
    return "\n\n".join(parts)


def _commands(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield every command below a group with its full name; groups come before their commands."""
    table = getattr(group, "commands", {})
    for name in sorted(table):
        yield f"{prefix} {name}", table[name]
        yield from _commands(table[name], f"{prefix} {name}")


def features() -> str:
    """Return the live features of a symbol."""
    rows = [[f"`{kind.name}`", kind.unit, kind.definition, kind.fed_by] for kind in FEATURE_TABLE]
    return _table(("feature", "unit", "definition", "updated by"), rows)


def metric_names() -> str:
    """Return all metrics, by their source."""
    parts = [
        ("The clean set of a running bot", [row for row in LIVE if row.clean]),
        ("The seed set of a running bot", [row for row in LIVE if row.seed]),
        ("Text files of nightly commands", list(CRON)),
    ]
    return "\n\n".join(f"### {title}\n\n{_metric_table(rows)}" for title, rows in parts)


def _metric_table(rows: Sequence[Metric]) -> str:
    cells = [[f"`{row.spelled}`", row.kind, row.unit or "-", row.help.rstrip("."), row.owner] for row in rows]
    return _table(("name", "type", "unit", "meaning", "read from"), cells)


def metric_mapping() -> str:
    """Return the mapping of seed names to clean names."""
    rows = [
        [
            f"`{follows.name}`",
            f"`{row.name}`" + "".join(f", {name} = `{value}`" for name, value in follows.labels),
            "1" if follows.factor == 1 else f"{follows.factor:g}",
        ]
        for row in LIVE
        for follows in row.follows
    ]
    return _table(("seed name", "clean name", "times"), sorted(rows))


def metric_alerts() -> str:
    """Return all alert rules."""
    rows = [[f"`{alert.name}`", alert.severity, f"`{alert.expr}`", alert.hold, alert.action] for alert in ALERTS]
    return _table(("alert", "severity", "fires while", "for", "what to do first"), rows)


def data_types() -> str:
    """Return the table of the caching policy."""
    rows = [
        [f"`{row.name}`", row.cache_class.value, _age(row.permitted, row.limit_s), row.reason, ", ".join(row.examples)]
        for row in DATA_TYPES.values()
    ]
    return _table(("name", "class", "limit", "reason", "examples"), rows)


def _age(permitted: bool, limit_s: float | None) -> str:
    if not permitted:
        return "never"
    return "none" if limit_s is None else f"{limit_s:g} s"


def cache_questions() -> str:
    """Return the five questions about a data type."""
    rows = [[f"`{row.key}`", row.text, "yes" if row.denies else "no", row.why] for row in QUESTIONS]
    return _table(("key", "question", "denied by", "because"), rows)


def venues() -> str:
    """Return the registry of venues."""
    rows = [
        [
            f"[`{row.name}`](../how-to/venues/{row.name}.md)",
            row.title,
            f"`{row.sequence_rule}`",
            "in the stream" if row.pushes_snapshots else "by REST",
            f"{row.rule} ([published]({row.source}))",
        ]
        for row in VENUES.values()
    ]
    return _table(("name", "venue", "`sequence_rule`", "snapshots", "rule"), rows)


def exchange_symbols() -> str:
    """Return the symbol formats of the exchanges."""
    rows = [[f"`{row.exchange}`", row.market, f"`{row.spell('BTC', 'USDT')}`"] for row in FORMATS.values()]
    return _table(("exchange", "market", "`BTC/USDT`"), rows)


def python_reference() -> str:
    """Return all public names of the library with signature and description."""
    parts = []
    for name in sorted(set(calib.__all__) - {"__version__"}, key=str.lower):
        item = getattr(calib, name)
        described = _as_markdown(inspect.getdoc(item) or "")
        parts.append(f"## `{name}`\n\n```python\n{_signature(name, item)}\n```\n\n{described}")
    return "\n\n".join(parts)


def _signature(name: str, item: Any) -> str:
    """Return the import, and the signature if it is short."""
    where = f"from calib import {name}"
    try:
        text = re.sub(r"((?:: |-> ))'([^']*)'", r"\1\2", str(inspect.signature(item)))
    except (TypeError, ValueError):
        return where
    plain = "<" not in text and len(text) < _LONG_SIGNATURE and not isinstance(item, enum.EnumType)
    return f"{where}\n\n{name}{text}" if plain else where


def _as_markdown(doc: str) -> str:
    """Convert a docstring to Markdown: prose, and parameters, attributes and errors as lists; no doctests."""
    lines = []
    for block in doc.split("\n\n"):
        rows = block.split("\n")
        if len(rows) > 1 and set(rows[1]) == {"-"}:
            if rows[0] in _SECTIONS:
                lines.append(f"**{rows[0]}**\n\n" + "\n".join(_entries(rows[2:])))
        elif not block.lstrip().startswith(">>>"):
            lines.append(" ".join(block.split()))
    return "\n\n".join(lines).replace("``", "`")


def _entries(rows: list[str]) -> Iterator[str]:
    """Yield the entries of a section: a name at the margin, its text indented below."""
    entry: list[str] = []
    for row in [*rows, "end"]:
        if entry and not row.startswith(" "):
            yield f"- `{entry[0].strip()}`" + (f": {' '.join(line.strip() for line in entry[1:])}" if entry[1:] else "")
            entry = []
        entry.append(row)


_LONG_SIGNATURE: Final = 400
_SECTIONS: Final = ("Parameters", "Attributes", "Returns", "Raises")
GENERATORS: Final[dict[str, Callable[[], str]]] = {
    "alerts": alerts,
    "cache-questions": cache_questions,
    "columns": columns,
    "commands": commands,
    "features": features,
    "fit-reasons": fit_reasons,
    "python": python_reference,
    "configuration": configuration,
    "data-types": data_types,
    "errors": errors,
    "metric-alerts": metric_alerts,
    "metric-mapping": metric_mapping,
    "metric-names": metric_names,
    "exchange-symbols": exchange_symbols,
    "smartcache-targets": smartcache_targets,
    "venues": venues,
}
"""The generator of each block, by the name in its markers."""

PAGES: Final[dict[str, Callable[[], str]]] = {
    "docs/how-to/prometheus/calib-alerts.yml": alerts_text,
    "docs/how-to/prometheus/calib-dashboard.json": dashboard_text,
    "docs/how-to/prometheus/calib-rules.yml": rules_text,
    "docs/reference/feeds.md": reference.page,
    **rules.pages(),
    **venue_pages.pages(),
}
"""The generators of whole files."""


def filled(page: str) -> str:
    """Return the page with all generated parts updated; raises `KeyError` for an unknown name."""
    return _BLOCK.sub(lambda match: f"{match[1]}\n{GENERATORS[match['name']]()}\n\n{match[3]}", page)


def current(page: Path, root: Path = ROOT) -> str:
    """Return the current text of the page."""
    whole = PAGES.get(page.relative_to(root).as_posix())
    return whole() if whole else filled(_read(page))


def stale(root: Path = ROOT) -> list[Path]:
    """Return the pages below ``docs/`` whose generated parts are not current."""
    pages = {*root.glob("docs/**/*.md"), *(path for page in PAGES if (path := root / page).exists())}
    return [page for page in sorted(pages) if current(page, root) != _read(page)]


def _read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Update every page, or with ``--check`` list those that are not current."""
    pages = stale()
    for page in pages:
        print(page.relative_to(ROOT))
        if "--check" not in arguments:
            page.write_text(current(page), encoding="utf-8")
    return 1 if pages and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
