"""Which arm a symbol is in: salted, deterministic, the same in every process.

Three rules. ``hash`` looks at each symbol alone. ``rank`` is balanced: a fixed number of symbols, those
of the lowest hash. ``switchback`` deals the symbols anew in every block of time, half to each arm.
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
    """The rule by which symbols are dealt."""

    HASH = "hash"
    RANK = "rank"
    SWITCHBACK = "switchback"


def hash_unit(salt: str, symbol: str) -> float:
    """``int(sha256(salt \\0 symbol)[:8]) / 2^64``: uniform in [0, 1), the same in every process and on every machine.

    >>> hash_unit("demo", "BTCUSDT")
    0.38823478057884536
    """
    return _number(f"{salt}\0{symbol}") / 2**64


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")


def check_split(split: float) -> float:
    """The share of symbols in B.

    Raises
    ------
    ConfigError
        Where it is no fraction in [0, 1].
    """
    if isinstance(split, bool) or not 0 <= split <= 1:
        raise ConfigError(
            f"a split of {split!r} is not allowed", where="split", hint="Give a fraction in [0, 1]; 50 % is 0.5"
        )
    return float(split)


def hash_rule(salt: str, symbol: str, split: float) -> bool:
    """The rule ``hash``: B if the symbol's hash is below the split."""
    return hash_unit(salt, symbol) < split


def rank_rule(salt: str, symbols: Iterable[str], split: float, kept: Iterable[str] = ()) -> set[str]:
    """The symbols of B under the balanced rule.

    ``round(split n)`` symbols (halves up), those of the lowest hash. Symbols in ``kept`` were in B before and stay
    while there is room, so that a symbol that joins moves nobody.
    """
    everyone = sorted(symbols, key=lambda symbol: (_number(f"{salt}\0{symbol}"), symbol))
    room = math.floor(split * len(everyone) + 0.5)
    before = set(kept)
    ordered = [symbol for symbol in everyone if symbol in before] + [s for s in everyone if s not in before]
    return set(ordered[:room])


def switchback_rule(salt: str, symbols: Iterable[str], block: int) -> set[str]:
    """The symbols of B in one block: the lowest-ranked half by ``sha256(salt \\0 block \\0 symbol)``.

    One bit of ``sha256(salt \\0 block)`` says whether the lower or the upper half is B: so an assignment and its
    complement are equally likely, for an odd number of symbols too.
    """
    ordered = sorted(symbols, key=lambda symbol: (_number(f"{salt}\0{block}\0{symbol}"), symbol))
    half = len(ordered) // 2
    flip = hashlib.sha256(f"{salt}\0{block}".encode()).digest()[0] & 1
    return set(ordered[half:] if flip else ordered[:half])


def block_of(ts: float, block_s: float) -> int:
    """The block of time that ``ts`` is in."""
    return math.floor(ts / block_s)


class Router:
    """Assigns symbols to arms: sticky, and monotone while the split grows.

    Parameters
    ----------
    rule
        See `Assignment`.
    salt
        Names the experiment; another salt deals anew.
    split
        Share of symbols in B, a fraction in [0, 1]; switchback takes 0.5 only.
    block_s
        Length of a switchback block, s.
    whitelist, blacklist
        Symbols that are always in B, or always in A; they stay out of the deal and out of the sequential tests.
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
            raise ConfigError(f"{both[0]!r} is on both lists", where="whitelist, blacklist", hint="Choose one")
        self.split = self._checked(split)
        self.symbols: dict[str, None] = {}
        """The symbols that were assigned, in the order in which they came."""
        self._ranked: set[str] = set()
        self._arms: dict[str, str] = {}
        self._block: tuple[int, set[str]] = (-1, set())

    def _checked(self, split: float) -> float:
        fraction = check_split(split)
        if self.rule is Assignment.SWITCHBACK and fraction != 0.5:
            raise ConfigError(
                f"switchback cannot split {fraction}", where="split", hint="It takes 0.5 only: half of the symbols"
            )
        return fraction

    def add(self, symbols: Iterable[str]) -> bool:
        """Let symbols join; True where one was new. Nobody who is in B leaves it."""
        fresh = [symbol for symbol in dict.fromkeys(symbols) if symbol not in self.symbols]
        if fresh:
            # A new mapping, not a changed one: another thread may be going through the old.
            self.symbols = {**self.symbols, **dict.fromkeys(fresh)}
            self._deal()
        return bool(fresh)

    def set_split(self, split: float) -> None:
        """Ramp: a larger split only ever adds symbols to B; a smaller one only takes some out."""
        self.split = self._checked(split)
        self._deal()

    def _deal(self) -> None:
        if self.rule is Assignment.RANK:
            self._ranked = rank_rule(self.salt, self.dealt(), self.split, self._ranked)
        self._block = (-1, set())
        self._arms = {}

    def dealt(self) -> list[str]:
        """The symbols that the rule deals: those on no list."""
        return [symbol for symbol in self.symbols if not self.listed(symbol)]

    def listed(self, symbol: str) -> bool:
        """Whether a list fixes the symbol's arm."""
        return symbol in self.whitelist or symbol in self.blacklist

    def arm(self, symbol: str, ts: float) -> str:
        """``A`` or ``B``; a symbol that never joined and is on no list is in A."""
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

    def due(self) -> tuple[float, float]:
        """How many dealt symbols each arm should hold in a block: expected, for the sample-ratio check."""
        dealt = self.dealt()
        if self.rule is Assignment.SWITCHBACK:
            return len(dealt) / 2, len(dealt) / 2
        in_b = sum(self.arm(symbol, 0.0) == B for symbol in dealt)
        return len(dealt) - in_b, in_b

    def in_b(self, block: int) -> set[str]:
        """The dealt symbols of B in one switchback block."""
        cached = self._block
        if cached[0] != block:
            cached = self._block = (block, switchback_rule(self.salt, self.dealt(), block))
        return cached[1]

    def to_state(self) -> dict[str, object]:
        """What must survive a restart so that the assignment is sticky."""
        return {"symbols": list(self.symbols), "ranked": sorted(self._ranked), "split": self.split}

    def load_state(self, symbols: Iterable[str], ranked: Iterable[str]) -> None:
        """Symbols that had joined and those that were in B, from `to_state`."""
        self._ranked = set(ranked)
        self.add(symbols)


class RecordedRouter(Router):
    """The arms as they were recorded, for an evaluation afterwards.

    Parameters
    ----------
    arms
        The arm of each symbol that kept one; with ``rule=switchback`` only the names are used.
    """

    def __init__(self, rule: Assignment, arms: dict[str, str], *, block_s: float = 60.0) -> None:
        super().__init__(rule, block_s=block_s)
        self._recorded = dict(arms)
        self.symbols = dict.fromkeys(arms)

    def _fixed_in_b(self, symbol: str) -> bool:
        return self._recorded.get(symbol) == B
