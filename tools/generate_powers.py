"""Write the kernel's table of powers of five: 128 bits each, as Eisel and Lemire's algorithm takes them.

    python -m tools.generate_powers

Of 5^q, q >= 0, the leading 128 bits; of q < 0 those of the reciprocal.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

TARGET: Final = (
    Path(__file__).resolve().parent.parent / "calib" / "feeds" / "reading" / "native" / "source" / "powers.h"
)
LEAST: Final = -80
LARGEST: Final = 60


def leading_bits(power: int) -> int:
    """The 128 bits of 5^power."""
    five: int = 5 ** abs(power)
    if power >= 0:
        size = five.bit_length()
        return five << (128 - size) if size <= 128 else five >> (size - 128)
    # As their tables have it: rounded up as far as the product is exact, cut off below.
    shift = (five - 1).bit_length()
    value = (1 << (shift + 127 if power >= -27 else 2 * shift + 128)) // five + 1
    return value >> max(0, value.bit_length() - 128)


def header() -> str:
    """The whole file."""
    rows = [
        f"    {{0x{value >> 64:016X}u, 0x{value & (2**64 - 1):016X}u}}, /* {power} */"
        for power in range(LEAST, LARGEST + 1)
        for value in [leading_bits(power)]
    ]
    return "\n".join(
        [
            "/* Made by tools/generate_powers.py: 5^q in 128 bits. */",
            "#include <stdint.h>",
            "",
            f"#define LEAST_POWER ({LEAST})",
            f"#define LARGEST_POWER {LARGEST}",
            "static const uint64_t POWERS_OF_FIVE[LARGEST_POWER - LEAST_POWER + 1][2] = {",
            *rows,
            "};",
            "",
        ]
    )


if __name__ == "__main__":
    TARGET.write_text(header())
