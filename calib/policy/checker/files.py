"""Selection of the files to check."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from calib.errors import UnreadableInput, UsageError

_SKIPPED: Final = frozenset({"__pycache__", "node_modules", "build", "dist", "venv", "env", "site-packages"})


def python_files(paths: Iterable[Path]) -> list[Path]:
    """Return the Python files below the paths without duplicates, sorted by name.

    Directories are searched recursively, without hidden directories, virtual environments and build directories; a
    file given by name is checked whatever its suffix.

    Raises
    ------
    UsageError
        If a path does not exist.
    UnreadableInput
        Where a directory below one cannot be listed.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            found |= dict.fromkeys(sorted(_below(path)))
        elif path.exists():
            found[path] = None
        else:
            raise UsageError(f"{path} does not exist", hint="Give Python files or directories to check")
    return list(found)


def _below(root: Path) -> Iterator[Path]:
    for directory, inner, names in os.walk(root, onerror=_refused):
        inner[:] = sorted(name for name in inner if name not in _SKIPPED and not name.startswith("."))
        if "pyvenv.cfg" in names and directory != str(root):
            inner[:] = []
            continue
        for name in names:
            if name.endswith((".py", ".pyi")):
                yield Path(directory, name)


def _refused(error: OSError) -> None:
    """A directory that cannot be listed: passed over, what is below it would count as clean."""
    what = f"cannot be listed: {error.strerror or error}"
    raise UnreadableInput(what, where=str(error.filename), hint="Check its permissions, or leave it out") from error


def shown(path: Path, base: Path) -> str:
    """Return the name of a file in findings: with forward slashes, relative to ``base`` if it is below it.

    >>> shown(Path("/code/bot/main.py"), Path("/code")), shown(Path("/srv/x.py"), Path("/code"))
    ('bot/main.py', '/srv/x.py')
    """
    full = Path(os.path.abspath(path))  # noqa: PTH100 - does not resolve symbolic links
    try:
        return full.relative_to(base).as_posix()
    except ValueError:
        return full.as_posix()
