"""Check of one file: parse, apply the rules, match suppression comments, fingerprint the findings."""

from __future__ import annotations

import ast
import functools
import io
import tokenize
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from calib.policy.checker.allow import Allow, allows
from calib.policy.checker.findings import Finding, Hit, Rule, fingerprint
from calib.policy.checker.kinds import kinds_of, names_in, trading_level
from calib.policy.checker.module import Module
from calib.policy.checker.rules import RULES
from calib.policy.checker.words import says_cache, split
from calib.system import read_regular


@dataclass(frozen=True, slots=True)
class FileResult:
    """The result of one file.

    Parameters
    ----------
    findings
        All findings, including suppressed ones, in line order.
    allows
        The suppression comments, with whether each was used.
    error
        Why the file could not be parsed, or empty; the line is in ``error_line``.
    unread
        Whether nothing of it could be read: the system refused, or it is not a file.
    """

    path: str
    findings: tuple[Finding, ...] = ()
    allows: tuple[Allow, ...] = ()
    error: str = ""
    error_line: int = 0
    unread: bool = False


def check_source(source: str, path: str = "<text>", rules: Iterable[Rule] | None = None) -> FileResult:
    """Check one source text.

    Parameters
    ----------
    source
        Python source.
    path
        Name of the file in the findings.
    rules
        The rules to apply; None for all.

    >>> bad = "from functools import cache\\n@cache\\ndef get_balance(x):\\n    return x.fetch_balance()\\n"
    >>> [finding.rule for finding in check_source(bad).findings]
    ['CAL101']
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except SyntaxError as error:
        return FileResult(path, error=error.msg, error_line=error.lineno or 0)
    except (ValueError, RecursionError, MemoryError) as error:
        return FileResult(path, error=f"{error}" or type(error).__name__)
    given = allows(source) if "calib:" in source else []
    names = names_in(source)
    level = trading_level(names)
    if not any(_may_name_data(name, level) for name in names):
        return FileResult(path, (), tuple(given))  # fast path: no name refers to data that the policy covers
    try:
        hits = _hits(tree, level, list(RULES.values()) if rules is None else list(rules))
    except RecursionError:
        return FileResult(path, (), tuple(given), error="the code is nested too deeply to be analysed")
    found = list(_findings(hits, tree, source, path))
    return FileResult(path, *_allowed(found, given))


@functools.lru_cache(maxsize=262_144)
def _may_name_data(name: str, level: int) -> bool:
    """Return whether a name may refer to data that the policy covers, also before a last word, as in ``BOOK_TTL``."""
    words = split(name)
    known = 2 if says_cache(words) else max(level, 1)
    return bool(kinds_of(words, known) or kinds_of(words[:-1], known))


def check_file(path: Path, name: str, rules: Iterable[Rule] | None = None) -> FileResult:
    """Check one file; ``name`` is its name in the findings."""
    try:
        raw = read_regular(path)
        encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
        source = raw.decode(encoding)
    except OSError as error:
        return FileResult(name, error=error.strerror or str(error), unread=True)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        return FileResult(name, error=str(error))
    return check_source(source.replace("\r\n", "\n").replace("\r", "\n"), name, rules)


def _hits(tree: ast.Module, level: int, rules: list[Rule]) -> list[tuple[Rule, Hit]]:
    module = Module(tree, level)
    return [(rule, hit) for rule in rules for hit in rule.find(module)]


def _findings(hits: list[tuple[Rule, Hit]], tree: ast.Module, source: str, path: str) -> Iterator[Finding]:
    lines = source.split("\n")
    scopes = list(_scopes(tree, "")) if hits else []
    seen: dict[tuple[str, str, str], int] = {}
    places: set[tuple[str, int, str]] = set()
    for rule, hit in sorted(hits, key=lambda pair: (*_place(pair[1].node), pair[0].id, pair[1].message)):
        line, column, end_line = _place(hit.node)
        if (rule.id, line, hit.message) in places:
            continue
        places.add((rule.id, line, hit.message))
        scope = next((name for first, last, name in reversed(scopes) if first <= line <= last), "")
        text = lines[line - 1].strip() if line <= len(lines) else ""
        occurrence = seen.get((rule.id, scope, text), 0)
        seen[rule.id, scope, text] = occurrence + 1
        mark = fingerprint(rule.id, path, scope, text, occurrence)
        yield Finding(rule.id, path, line, column, end_line, hit.message, rule.severity, scope, text, mark)


def _place(node: ast.AST) -> tuple[int, int, int]:
    line = getattr(node, "lineno", 1)
    end = getattr(node, "end_lineno", None) or line
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        end = line
    return line, getattr(node, "col_offset", 0) + 1, end


def _scopes(node: ast.AST, prefix: str) -> Iterator[tuple[int, int, str]]:
    """Yield classes and functions with their first and last lines, an outer one before the inner ones."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([child.lineno, *(each.lineno for each in child.decorator_list)])
            yield first, child.end_lineno or child.lineno, f"{prefix}{child.name}"
            yield from _scopes(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from _scopes(child, prefix)


def _allowed(found: list[Finding], given: list[Allow]) -> tuple[tuple[Finding, ...], tuple[Allow, ...]]:
    used: set[int] = set()
    findings = []
    for finding in found:
        cover = next((at for at, allow in enumerate(given) if allow.covers(finding)), None)
        if cover is None:
            findings.append(finding)
        else:
            used.add(cover)
            findings.append(replace(finding, suppressed=given[cover].reason))
    return tuple(findings), tuple(replace(allow, used=at in used) for at, allow in enumerate(given))
