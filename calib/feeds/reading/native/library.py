"""Finding and loading the kernel's shared library; without it, or with ``CALIB_NATIVE=0``, Python reads every line."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

VERSION: Final = 1
"""Of the functions and structures that this package and the library share."""
SWITCH: Final = "CALIB_NATIVE"
"""The environment variable; ``0`` switches the kernel off."""
NAME: Final = "_calib_kernel.so"
"""The library: beside this file in a wheel, in site-packages where calib is installed editable."""

_SIGNATURES: Final[dict[str, tuple[str, str]]] = {
    "kernel_version": ("i", ""),
    "kernel_portable": ("i", ""),
    "kernel_new": ("p", "puul"),
    "kernel_free": ("", "p"),
    "kernel_field": ("i", "ppuiiiididu"),
    "kernel_choice": ("i", "pupu"),
    "kernel_stage": ("i", "pupuu"),
    "kernel_unknown": ("i", "ppu"),
    "kernel_first_met": ("l", "pu"),
    "kernel_symbol_count": ("u", "p"),
    "kernel_symbol": ("p", "pup"),
    "kernel_symbol_code": ("u", "ppu"),
    "chunk_new": ("p", ""),
    "chunk_free": ("", "p"),
    "kernel_parse": ("i", "pppl"),
    "sums_new": ("p", "isssdlddpuup"),
    "sums_free": ("", "p"),
    "sums_symbol": ("i", "piid"),
    "sums_seen": ("i", "pu"),
    "sums_only": ("i", "pus"),
    "sums_begin_file": ("i", "p"),
    "sums_settle": ("i", "pp"),
    "sums_close_before": ("", "ps"),
    "sums_closed": ("l", "p"),
    "sums_take": ("u", "ppu"),
    "sums_late": ("l", "ppl"),
    "sums_fold": ("i", "ppup"),
    "rows_sort": ("", "plp"),
    "rows_join": ("l", "plplp"),
}
"""What each function returns and takes: i int, u uint32, l uint64, s int64, d double, p pointer."""
_TYPES: Final[dict[str, Any]] = {
    "": None,
    "i": ctypes.c_int,
    "u": ctypes.c_uint32,
    "l": ctypes.c_uint64,
    "s": ctypes.c_int64,
    "d": ctypes.c_double,
    "p": ctypes.c_void_p,
}


@dataclass(frozen=True, slots=True)
class NativeStatus:
    """Which path reads lines, and why.

    Parameters
    ----------
    used
        Whether it is the kernel.
    reason
        One phrase.
    """

    used: bool
    reason: str


def library() -> Any | None:
    """The loaded library with typed functions; None where there is none, or it is switched off."""
    return None if _switched_off() else _load()[0]


def status() -> NativeStatus:
    """Which path is used.

    >>> status().reason != ""
    True
    """
    if _switched_off():
        return NativeStatus(False, f"{SWITCH}=0 switches the kernel off")
    found, reason = _load()
    return NativeStatus(found is not None, reason)


def _switched_off() -> bool:
    return os.environ.get(SWITCH) == "0"


@cache
def _load() -> tuple[Any | None, str]:
    for path in _places():
        if path.is_file():
            return open_library(path)
    return None, "this installation has no kernel (pure wheel, or no C compiler when it was installed)"


def _places() -> Iterator[Path]:
    yield Path(__file__).with_name(NAME)
    yield from (Path(entry, NAME) for entry in sys.path if entry.endswith(("site-packages", "dist-packages")))


def open_library(path: Path) -> tuple[Any | None, str]:
    """The library at ``path`` with typed functions, and what it is; None with the reason where it cannot be used."""
    try:
        found = ctypes.CDLL(str(path))
    except OSError as error:
        return None, f"{path} cannot be loaded: {error}"
    try:
        if (version := found.kernel_version()) != VERSION:
            return None, f"{path} has version {version}, not {VERSION}; install calib again"
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(found, name)
            function.restype, function.argtypes = _TYPES[result], [_TYPES[code] for code in arguments]
    except AttributeError as error:
        return None, f"{path} is not this version's kernel ({error}); install calib again"
    return found, f"{'portable code' if found.kernel_portable() else 'SSE2'}, {path}"
