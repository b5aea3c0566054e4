"""``calib policy check`` over 5,000 files: against parsing alone, which every checker has to do.

Two sets of files: those of this Python and its packages, and programs about trading that the rules follow to the end.
Both are checked in the same run by the same number of processes.

    python -m benchmarks.bench_policy_check --files 5000 --jobs 2
"""

from __future__ import annotations

import argparse
import ast
import concurrent.futures
import multiprocessing
import resource
import statistics
import sys
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from calib.policy.checker import RULES, check_paths
from calib.policy.checker.files import python_files


def library(count: int) -> list[Path]:
    """Files of the standard library and of the installed packages, up to a limit."""
    roots = dict.fromkeys(Path(sysconfig.get_paths()[name]) for name in ("stdlib", "purelib"))
    return [path for root in roots for path in python_files([root])][:count]


def trading(directory: Path, count: int, parts: int = 12) -> list[Path]:
    """Programs about trading: the examples of the rules, about 200 lines each, all different."""
    examples = [text for rule in RULES.values() for text in (rule.wrong, rule.right)]
    paths = []
    for number in range(count):
        chosen = [examples[(number + step * 5) % len(examples)] for step in range(parts)]
        path = directory / f"bot_{number:05}.py"
        path.write_text("\n\n".join(chosen) + f"\n\nNUMBER = {number}\n")
        paths.append(path)
    return paths


def parsed(path: Path) -> int:
    """Parse one file and do nothing with it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return len(ast.parse(path.read_bytes()).body)
        except (SyntaxError, ValueError):
            return 0


def parse_all(paths: Sequence[Path], jobs: int) -> None:
    """Parse every file with the given number of processes."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(jobs, context) as pool:
        for _ in pool.map(parsed, paths, chunksize=25):
            pass


def seconds(run: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock seconds of one call, and seconds of processor time of its processes."""
    begin, used = time.perf_counter(), _processor_s()
    run()
    return time.perf_counter() - begin, _processor_s() - used


def _processor_s() -> float:
    kinds = (resource.getrusage(kind) for kind in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in kinds)


def main(argv: Sequence[str]) -> None:
    """Print one line for each set of files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        sets = {"installed": library(given.files), "trading": trading(Path(name), given.files)}
        for label, paths in sets.items():
            size = sum(path.stat().st_size for path in paths) / 1e6
            floor, own = [], []
            for _ in range(given.repeats):
                floor.append(seconds(lambda files=paths: parse_all(files, given.jobs)))  # type: ignore[misc]
                own.append(seconds(lambda files=paths: check_paths(files, jobs=given.jobs)))  # type: ignore[misc]
            parse, parse_cpu = map(statistics.median, zip(*floor, strict=True))
            check, check_cpu = map(statistics.median, zip(*own, strict=True))
            print(
                f"{label:<10} {len(paths)} files, {size:5.1f} MB: parse {parse:5.1f} s ({parse_cpu:5.1f} s CPU), "
                f"check {check:5.1f} s ({check_cpu:5.1f} s CPU), {check_cpu / parse_cpu:.1f}x, "
                f"{1000 * check_cpu / len(paths):.2f} ms CPU a file"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
