"""Fuzz the feeds' kernel with libFuzzer under AddressSanitizer and UndefinedBehaviorSanitizer.

    python -m tools.fuzz_kernel --seconds 120

Every input is read as the content of a feed (its first byte says which), and what the kernel vouches for in fills and
ticks is settled and folded. Needs clang with its runtime; without it nothing is done, and says so.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from calib.feeds.reading.native.plans import NO_COLUMN, RecordLayout, tell_fields
from calib.feeds.reading.native.sums import FILL_COLUMNS, TICK_COLUMNS
from calib.feeds.reading.packing import ColumnPlan
from calib.feeds.schema.table import FEEDS
from calib.feeds.schema.types import columns_of
from tests.feeds.helpers import TS
from tests.feeds.reading.native.mutations import base_lines

SOURCE: Final = Path(__file__).resolve().parent.parent / "calib" / "feeds" / "reading" / "native" / "source"
TARGET: Final = """
#include <stdlib.h>
#include "sums.h"
%(plans)s
static void sum(int kind, struct chunk *chunk, const uint8_t *data, uint32_t symbols) {
    static const uint64_t secret[2] = {1, 2};
    const uint32_t *columns = kind == 1 ? fill_columns : tick_columns;
    struct sums *sums = sums_new(kind == 1, 300, 0, INT64_MAX, 900, 10, 0.1, 0.2, columns, strides[kind],
                                 placed[kind], secret);
    uint32_t *codes = calloc(symbols + 1, sizeof *codes), *repeated = calloc(chunk->used + 1, sizeof *repeated);
    for (uint32_t n = 0; n < symbols; n++) {
        codes[n] = n;
        sums_symbol(sums, n %% 3 != 1, (int)(n %% 3), 2.5);
    }
    struct settlement settled = {.records = chunk->records, .lines = chunk->lines, .places = chunk->places,
                                 .content = data, .codes = codes, .repeated = repeated, .count = chunk->used,
                                 .last_line = UINT64_MAX};
    sums_settle(sums, &settled);
    sums_close_before(sums, INT64_MAX);
    struct group *group;
    struct sums_row row;
    while (sums_take(sums, &group, 1))
        sums_fold(sums, &group, 1, &row);
    sums_free(sums);
    free(codes);
    free(repeated);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1)
        return 0;
    int kind = data[0] %% KINDS;
    struct kernel *kernel = plan(kind);
    struct chunk *chunk = chunk_new();
    /* A copy of just the content: a load past its end is seen. */
    uint8_t *content = malloc(size - 1 ? size - 1 : 1);
    memcpy(content, data + 1, size - 1);
    for (int round = 0; round < 2; round++)
        kernel_parse(kernel, chunk, content, size - 1);
    if (kind == 1 || kind == 2)
        sum(kind, chunk, content, kernel_symbol_count(kernel));
    free(content);
    chunk_free(chunk);
    kernel_free(kernel);
    return 0;
}
"""
KINDS: Final = ("book", "fills", "pipeline_ticks", "quotes", "trades")


def plans() -> str:
    """The plans of every feed as C, told by the same code as the library is told."""
    strides, placed, cases = [], [], []
    columns: dict[str, list[int]] = {}
    for number, kind in enumerate(KINDS):
        summed = {"fills": FILL_COLUMNS, "pipeline_ticks": TICK_COLUMNS}.get(kind, tuple(columns_of(FEEDS[kind])))
        plan = ColumnPlan(kind, int(TS), summed)
        stages = [name.partition(".")[2] for name in summed if "." in name]
        layout = RecordLayout.of(plan, stages)
        strides.append(len(layout.nulls))
        placed.append(len(layout.placed))
        columns[kind] = [
            layout.placed.index(name) if name in layout.placed else layout.offsets.get(name, NO_COLUMN)
            for name in summed
        ]
        calls = _Calls()
        tell_fields(calls, 0, plan, layout)
        nulls = ",".join(str(byte) for byte in layout.nulls)
        head = (
            f"static const uint8_t nulls[] = {{{nulls}}}; kernel = kernel_new(nulls, {strides[-1]}, {placed[-1]}, 7);"
        )
        cases.append(f"case {number}: {{ {head} {' '.join(calls.made)} break; }}")
    return "\n".join(
        [
            "#include <math.h>\n#include <string.h>",
            f"#define KINDS {len(KINDS)}",
            f"static const uint32_t strides[] = {_list(strides)}, placed[] = {_list(placed)};",
            f"static const uint32_t fill_columns[] = {_list(columns['fills'])};",
            f"static const uint32_t tick_columns[] = {_list(columns['pipeline_ticks'])};",
            "static struct kernel *plan(int kind) { struct kernel *kernel = NULL; switch (kind) {",
            *cases,
            '} kernel_unknown(kernel, "later", 5); return kernel; }',
        ]
    )


class _Calls:
    """Stands for the library, and writes down how it is called."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def __getattr__(self, name: str) -> object:
        def call(_: int, *arguments: object) -> int:
            self.made.append(f"{name}(kernel, {', '.join(map(_literal, arguments))});")
            return 0

        return call


def _literal(value: object) -> str:
    if isinstance(value, bytes):
        return f'"{value.decode()}"'
    if isinstance(value, float):
        return repr(value).replace("inf", "INFINITY")
    return f"{int(value)}u" if int(value) > 2**31 else str(int(value))  # type: ignore[call-overload]  # the rest are ints


def _list(numbers: list[int]) -> str:
    return f"{{{', '.join(f'{number}u' for number in numbers)}}}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--keep", type=Path, help="where what breaks it is kept", default=Path.cwd())
    given = parser.parse_args()
    if shutil.which("clang") is None:
        print("no clang: the kernel is not fuzzed")
        return 0
    with tempfile.TemporaryDirectory() as name:
        source, program, corpus = Path(name, "fuzz.c"), Path(name, "fuzz"), Path(name, "corpus")
        source.write_text(TARGET % {"plans": plans()})
        flags = ["-std=c11", "-O1", "-g", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]
        files = [str(source), *map(str, sorted(SOURCE.glob("*.c")))]
        built = subprocess.run(
            ["clang", *flags, f"-I{SOURCE}", *files, "-lm", "-o", str(program)],
            capture_output=True,
            text=True,
            check=False,
        )
        if built.returncode:
            if "libclang_rt" in built.stderr:
                print("clang has no sanitizer runtime: the kernel is not fuzzed")
                return 0
            print(built.stderr)
            return 1
        corpus.mkdir()
        for number, kind in enumerate(KINDS):
            for place, line in enumerate(base_lines(kind)):
                (corpus / f"{kind}-{place}").write_bytes(bytes([number]) + line + b"\n" + line)
        options = [f"-max_total_time={given.seconds}", "-max_len=4096", "-print_final_stats=1", "-verbosity=1"]
        kept = f"-artifact_prefix={given.keep}/kernel-fuzz-"
        return subprocess.run([str(program), *options, kept, str(corpus)], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
