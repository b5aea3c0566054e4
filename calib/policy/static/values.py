"""What a cache of static data keeps of one key, and what its readers get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CachedValue(Generic[T]):
    """A value with what its reader must know.

    Parameters
    ----------
    value
        What was fetched.
    age_s
        Seconds since the request that brought it began.
    data_type
        Its name in the policy's table.
    for_trading
        Whether it may be an input of a trading decision; False for analytic types.
    """

    value: T
    age_s: float
    data_type: str
    for_trading: bool


class CachedSlot(Generic[T]):
    """One key: its value, its request, and when it is due.

    Attributes
    ----------
    began_ns
        When the request that brought the value began, monotonic ns; None without a value.
    epoch
        Grows at each invalidation: an answer of an earlier epoch is not stored.
    retry_ns
        After failures no request is started before, monotonic ns.
    read
        Whether the value was read since it was fetched.
    """

    __slots__ = ("began_ns", "epoch", "failures", "last_error", "read", "retry_ns", "task", "timer", "value")

    def __init__(self, now_ns: int) -> None:
        self.value: Any = None
        self.began_ns: int | None = None
        self.epoch = 0
        self.task: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.failures = 0
        self.last_error = ""
        self.retry_ns = now_ns
        self.read = False

    def age_ns(self, now_ns: int) -> int | None:
        """Time since the request that brought the value began; None without a value."""
        return None if self.began_ns is None else now_ns - self.began_ns
