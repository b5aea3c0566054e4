"""Assignment of symbols to arms: salted, deterministic, the same in every process.

Three rules. ``hash`` assigns each symbol independently. ``rank`` is balanced: B has a fixed number of symbols, those
with the lowest hash. ``switchback`` assigns the symbols again in every block of time, half to each arm.
"""

from __future__ import annotations

import enum
import hashlib
import math
from collections.abc import Iterable, Sequence
from typing import Final

from calib.errors import ConfigError

A: Final = "A"
B: Final = "B"


class Assignment(enum.StrEnum):
    """The rule that assigns symbols to arms."""

    HASH = "hash"
    RANK = "rank"
    SWITCHBACK = "switchback"


def hash_unit(salt: str, symbol: str) -> float:
    """Return ``int(sha256(salt \\0 symbol)[:8]) / 2^64``: uniform in [0, 1), the same on every machine.

    >>> hash_unit("demo", "BTCUSDT")
    0.38823478057884536
    """
    return _number(f"{salt}\0{symbol}") / 2**64


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")


def check_split(split: float) -> float:
    """Return the share of symbols in B as a float.

    Raises
    ------
    ConfigError
        If it is not a fraction in [0, 1].
    """
    if isinstance(split, bool) or not 0 <= split <= 1:
        raise ConfigError(
            f"{split!r} is not a valid split", where="split", hint="Give a fraction in [0, 1]; 50 % is 0.5"
        )
    return float(split)


def hash_rule(salt: str, symbol: str, split: float) -> bool:
    """Return whether the rule ``hash`` puts a symbol in B: its hash is below the split."""
    return hash_unit(salt, symbol) < split


def rank_rule(salt: str, symbols: Iterable[str], split: float, kept: Iterable[str] = ()) -> set[str]:
    """Return the symbols of B under the balanced rule.

    ``round(split n)`` symbols (halves up) with the lowest hashes. Symbols in ``kept`` were in B before and come first,
    so that a new symbol does not move another out of B.
    """
    everyone = sorted(symbols, key=lambda symbol: (_number(f"{salt}\0{symbol}"), symbol))
    room = math.floor(split * len(everyone) + 0.5)
    before = set(kept)
    ordered = [symbol for symbol in everyone if symbol in before] + [s for s in everyone if s not in before]
    return set(ordered[:room])


def switchback_rule(salt: str, symbols: Iterable[str], block: int) -> set[str]:
    """Return the symbols of B in one block: the lowest-ranked half by ``sha256(salt \\0 block \\0 symbol)``.

    One bit of ``sha256(salt \\0 block)`` decides whether the lower or the upper half is B, so that an assignment and
    its complement are equally likely, also for an odd number of symbols.
    """
    ordered = sorted(symbols, key=lambda symbol: (_number(f"{salt}\0{block}\0{symbol}"), symbol))
    half = len(ordered) // 2
    flip = hashlib.sha256(f"{salt}\0{block}".encode()).digest()[0] & 1
    return set(ordered[half:] if flip else ordered[:half])


def block_of(ts: float, block_s: float) -> int:
    """Return the index of the block of time that contains ``ts``."""
    return math.floor(ts / block_s)


class Router:
    """Assigns symbols to arms: a symbol in B stays in B while the split does not shrink.

    Parameters
    ----------
    rule
        See `Assignment`.
    salt
        Name of the experiment; another salt gives another assignment.
    split
        Share of symbols in B, a fraction in [0, 1]; switchback requires 0.5.
    block_s
        Length of a switchback block, s.
    whitelist, blacklist
        Symbols that are always in B, or always in A; the rule and the sequential tests exclude them.
    """

    def __init__(
        self,
        rule: Assignment = Assignment.HASH,
        salt: str = "ab",
        split: float = 0.5,
        *,
        block_s: float = 60.0,
        whitelist: Sequence[str] = (),
        blacklist: Sequence[str] = (),
    ) -> None:
        self.rule, self.salt, self.block_s = Assignment(rule), salt, block_s
        self.whitelist, self.blacklist = frozenset(whitelist), frozenset(blacklist)
        both = sorted(self.whitelist & self.blacklist)
        if both:
            raise ConfigError(
                f"{both[0]!r} is on both lists", where="whitelist, blacklist", hint="Remove it from one of them"
            )
        self.split = self._checked(split)
        self.symbols: dict[str, None] = {}
        """The assigned symbols, in the order of their addition."""
        self._ranked: set[str] = set()
        self._arms: dict[str, str] = {}
        self._block: tuple[int, set[str]] = (-1, set())

    def _checked(self, split: float) -> float:
        fraction = check_split(split)
        if self.rule is Assignment.SWITCHBACK and fraction != 0.5:
            raise ConfigError(
                f"{fraction:g} is not a valid split for switchback", where="split", hint="Use 0.5: half of the symbols"
            )
        return fraction

    def add(self, symbols: Iterable[str]) -> bool:
        """Add symbols and return whether one was new. Symbols in B stay in B."""
        fresh = [symbol for symbol in dict.fromkeys(symbols) if symbol not in self.symbols]
        if fresh:
            # Replaced, not updated in place: another thread may be iterating over it.
            self.symbols = {**self.symbols, **dict.fromkeys(fresh)}
            self._assign()
        return bool(fresh)

    def set_split(self, split: float) -> None:
        """Change the split: a larger one only adds symbols to B, a smaller one only removes some."""
        self.split = self._checked(split)
        self._assign()

    def _assign(self) -> None:
        if self.rule is Assignment.RANK:
            self._ranked = rank_rule(self.salt, self.unlisted(), self.split, self._ranked)
        self._block = (-1, set())
        self._arms = {}

    def unlisted(self) -> list[str]:
        """Return the symbols that the rule assigns: those on neither list."""
        return [symbol for symbol in self.symbols if not self.listed(symbol)]

    def listed(self, symbol: str) -> bool:
        """Return whether the symbol is on the whitelist or the blacklist."""
        return symbol in self.whitelist or symbol in self.blacklist

    def arm(self, symbol: str, ts: float) -> str:
        """Return ``A`` or ``B``; an unknown symbol that is on neither list is in A."""
        if self.rule is Assignment.SWITCHBACK and symbol in self.symbols and not self.listed(symbol):
            return B if symbol in self.in_b(block_of(ts, self.block_s)) else A
        known = self._arms.get(symbol)
        if known is None:
            known = self._arms[symbol] = B if self._fixed_in_b(symbol) else A
        return known

    def _fixed_in_b(self, symbol: str) -> bool:
        if symbol in self.whitelist:
            return True
        if symbol in self.blacklist or symbol not in self.symbols:
            return False
        if self.rule is Assignment.HASH:
            return hash_rule(self.salt, symbol, self.split)
        return symbol in self._ranked

    def expected_counts(self) -> tuple[float, float]:
        """Return the expected number of unlisted symbols in A and in B per block, for the sample-ratio check."""
        symbols = self.unlisted()
        if self.rule is Assignment.SWITCHBACK:
            return len(symbols) / 2, len(symbols) / 2
        in_b = sum(self.arm(symbol, 0.0) == B for symbol in symbols)
        return len(symbols) - in_b, in_b

    def in_b(self, block: int) -> set[str]:
        """Return the unlisted symbols of B in one switchback block."""
        cached = self._block
        if cached[0] != block:
            cached = self._block = (block, switchback_rule(self.salt, self.unlisted(), block))
        return cached[1]

    def to_state(self) -> dict[str, object]:
        """Return the state that keeps symbols in their arms over a restart."""
        return {"symbols": list(self.symbols), "ranked": sorted(self._ranked), "split": self.split}

    def load_state(self, symbols: Iterable[str], ranked: Iterable[str]) -> None:
        """Load the known symbols and those in B from `to_state`."""
        self._ranked = set(ranked)
        self.add(symbols)


class RecordedRouter(Router):
    """Returns recorded arms, for the evaluation of recorded feeds.

    Parameters
    ----------
    arms
        The arm of each symbol with a persistent arm; with ``rule=switchback`` only the names are used.
    """

    def __init__(self, rule: Assignment, arms: dict[str, str], *, block_s: float = 60.0) -> None:
        super().__init__(rule, block_s=block_s)
        self._recorded = dict(arms)
        self.symbols = dict.fromkeys(arms)

    def _fixed_in_b(self, symbol: str) -> bool:
        return self._recorded.get(symbol) == B
