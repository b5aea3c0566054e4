"""Generate ``reports/``: the reports of the commands for ``sample_feeds/``, as Markdown, pages and pictures.

``--check`` changes nothing and exits 1 if a file is missing, superfluous or not current.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from calib.cli.main import run
from calib.reports.files import write_report_files
from calib.reports.simulation_page import simulation_report

ROOT: Final = Path(__file__).resolve().parent.parent
TARGET: Final = ROOT / "reports"
_RANGE: Final = ("--from", "2025-01-01T21:00", "--to", "2025-01-02T03:00")
_KEPT: Final = (".md", ".html", ".svg")


def _summary(out: str) -> None:
    _call("aggregate", "sample_feeds", *_RANGE, "--out", out)
    _call("summary", "--out", out, "--format", "both")


def _ab(out: str) -> None:
    # The sample has no arms: assigned as a switchback, its two equal arms show the intervals of the effects.
    assigned = ("--assign", "demo/50%", "--assignment", "switchback", "--block-s", "600")
    _call("ab", "--feeds", "sample_feeds", *assigned, "--out", out, "--format", "both", may_fail=True)


def _replay(out: str) -> None:
    _call("replay", "sample_feeds", "--fill", "callback", "--read-every", "1s", "--out", out, "--format", "both")


def _markout(out: str) -> None:
    _call("markout", "--feeds", "sample_feeds", "--out", out, "--format", "both")


def _fit(out: str) -> None:
    _call("fit", "--feeds", "sample_feeds", "--out", out, "--format", "both")


def _simulate(out: str) -> None:
    output = _call("simulate", "--compare", "--symbols", "4", "--minutes", "5", "--output", "json", quiet=False)
    report = simulation_report(json.loads(output)["data"])
    write_report_files(Path(out) / "reports", "simulate_compare", report, "both")


PARTS: Final[dict[str, Callable[[str], None]]] = {
    "summary": _summary,
    "ab": _ab,
    "replay": _replay,
    "simulate": _simulate,
    "markout": _markout,
    "fit": _fit,
}
"""The function that generates each report, below a given root."""


def _call(*words: str, may_fail: bool = False, quiet: bool = True) -> str:
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(io.StringIO()) as errors:
        code = run([*words, "--quiet"] if quiet else words)
    if code and not (may_fail and code == 1):
        raise RuntimeError(f"calib {' '.join(words)} ended with {code}: {errors.getvalue()}")
    return output.getvalue()


@contextlib.contextmanager
def _at_the_root() -> Iterator[None]:
    """Run in the project directory, for relative paths, and without settings of the environment."""
    before = Path.cwd()
    own = {key: os.environ.pop(key) for key in list(os.environ) if key.startswith("CALIB_")}
    os.chdir(ROOT)
    try:
        yield
    finally:
        os.chdir(before)
        os.environ.update(own)


def made(parts: Sequence[str] = tuple(PARTS)) -> dict[str, bytes]:
    """Return the reports by file name."""
    found: dict[str, bytes] = {}
    with _at_the_root(), tempfile.TemporaryDirectory() as out:
        for part in parts:
            PARTS[part](out)
        for path in (Path(out) / "reports").iterdir():
            if path.suffix in _KEPT:
                found[path.name] = path.read_bytes()
    return found


def main(argv: Sequence[str]) -> int:
    """Write the reports, or check them."""
    current = made()
    stored = {path.name: path.read_bytes() for path in TARGET.glob("*") if path.suffix in _KEPT}
    stale = sorted(name for name in current.keys() | stored.keys() if current.get(name) != stored.get(name))
    if "--check" in argv:
        for name in stale:
            print(f"reports/{name} is not current: run `make reports`")
        return int(bool(stale))
    TARGET.mkdir(exist_ok=True)
    for name in stale:
        if name in current:
            (TARGET / name).write_bytes(current[name])
        else:
            (TARGET / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
