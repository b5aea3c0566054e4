"""A z-score of a market's quote against its last half hour, which decides whether a cached value may be served.

z is the greater of two distances, each in units of sigma:

- level: ``|x - mean| / max(sd, floor |mean|)`` over the samples of the window before x,
- step: ``|x - last| / (floor |last|)``, to detect a jump even if a long trend has made sd large.

Without the floor a random walk of one tick is a panic in about 16 % of its reads, because a random walk is often two
standard deviations from its past mean. The floor is a share of the level; docs/explanation/smart-cache.md has the table
from which its default was chosen.
"""

from __future__ import annotations

import enum
import math
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from calib.clock import NS_PER_S, Clock, SystemClock
from calib.errors import BadObservation, ConfigError
from calib.smartcache.settings import check_number

if TYPE_CHECKING:
    from collections.abc import Mapping

_RANGES: Final[dict[str, tuple[float, float]]] = {
    "window_s": (1, 86_400),
    "panic_threshold_sigma": (0, 1000),
    "warning_threshold_sigma": (0, 1000),
    "sigma_floor_ratio": (0, 10),
    "min_samples": (2, 1_000_000),
    "max_samples": (2, 1_000_000),
    "max_markets": (1, 1_000_000),
}


class VixStatus(enum.StrEnum):
    """Volatility state of a market."""

    NORMAL = "normal"
    WARNING = "warning"
    PANIC = "panic"


class VIXConfig:
    """Settings of a `VIXCalculator`; each may be changed at run time.

    Parameters
    ----------
    window_s
        Length of the sliding window, s. 1..86400.
    panic_threshold_sigma
        Smallest z of a panic. 0..1000.
    warning_threshold_sigma
        Smallest z of a warning. 0..1000; values above the panic threshold have no effect.
    sigma_floor_ratio
        Minimum sigma, as a share of the level. 0..10; above 0.5 a doubling within one read is not a panic.
    min_samples
        With fewer samples in the window a market is normal. 2..1000000.
    max_samples, max_markets
        Maximum number of samples per market and of markets; the oldest are dropped first. 2..1000000, 1..1000000.

    Raises
    ------
    calib.errors.ConfigError
        For a value outside its range, at construction and at each assignment.

    >>> config = VIXConfig()
    >>> config.panic_threshold_sigma = -1
    Traceback (most recent call last):
        ...
    calib.errors.ConfigError: panic_threshold_sigma: -1 is not allowed. Allowed: 0 to 1000
    """

    __slots__ = tuple(_RANGES)
    window_s: float
    panic_threshold_sigma: float
    warning_threshold_sigma: float
    sigma_floor_ratio: float
    min_samples: int
    max_samples: int
    max_markets: int

    def __init__(
        self,
        *,
        window_s: float = 1800.0,
        panic_threshold_sigma: float = 2.0,
        warning_threshold_sigma: float = 1.5,
        sigma_floor_ratio: float = 0.25,
        min_samples: int = 4,
        max_samples: int = 10_000,
        max_markets: int = 10_000,
    ) -> None:
        self.window_s = window_s
        self.panic_threshold_sigma = panic_threshold_sigma
        self.warning_threshold_sigma = warning_threshold_sigma
        self.sigma_floor_ratio = sigma_floor_ratio
        self.min_samples = min_samples
        self.max_samples = max_samples
        self.max_markets = max_markets

    def __setattr__(self, name: str, value: object) -> None:
        if name not in _RANGES:
            raise ConfigError(f"VIXConfig has no setting {name!r}", hint=f"Known: {', '.join(_RANGES)}")
        check_number(name, value, *_RANGES[name], whole=name in ("min_samples", "max_samples", "max_markets"))
        object.__setattr__(self, name, value)


class VixReading(NamedTuple):
    """The state of one quote against its window; ``z`` is None with too few samples."""

    status: VixStatus
    z: float | None
    samples: int


_UNKNOWN: Final = VixReading(VixStatus.NORMAL, None, 0)


class _Window:
    """The samples of one market with running sums, relative to an origin to keep precision at large levels."""

    __slots__ = ("_origin", "_removed", "_square_sum", "_sum", "reading", "samples")

    def __init__(self) -> None:
        self.samples: deque[tuple[int, float]] = deque()
        self.reading = _UNKNOWN
        self._origin = self._sum = self._square_sum = 0.0
        self._removed = 0

    def drop_before(self, oldest_ns: int, most: int) -> None:
        samples = self.samples
        while samples and (samples[0][0] < oldest_ns or len(samples) > most):
            shifted = samples.popleft()[1] - self._origin
            self._sum -= shifted
            self._square_sum -= shifted * shifted
            self._removed += 1
        if self._removed > len(samples):  # recompute the sums to remove rounding drift, amortised O(1)
            self._origin = samples[0][1] if samples else 0.0
            shifted_all = [value - self._origin for _, value in samples]
            self._sum, self._square_sum = math.fsum(shifted_all), math.fsum(value * value for value in shifted_all)
            self._removed = 0

    def append(self, now_ns: int, value: float) -> None:
        if not self.samples:
            self._origin, self._sum, self._square_sum = value, 0.0, 0.0
        shifted = value - self._origin
        self.samples.append((now_ns, value))
        self._sum += shifted
        self._square_sum += shifted * shifted

    def mean_and_sd(self) -> tuple[float, float]:
        """Return the mean and population standard deviation of at least one sample."""
        count = len(self.samples)
        shifted = self._sum / count
        return self._origin + shifted, math.sqrt(max(0.0, self._square_sum / count - shifted * shifted))


class VIXCalculator:
    """Computes z-scores of quotes over a sliding window, amortised O(1) per quote.

    Parameters
    ----------
    config
        The settings; may be changed at run time.
    clock
        The clock; the ages of samples use its monotonic time.

    >>> from calib.clock import VirtualClock
    >>> vix = VIXCalculator(clock=VirtualClock())
    >>> [vix.update("BTCUSDT", price).status.value for price in (100, 101, 99, 100, 101, 200)]
    ['normal', 'normal', 'normal', 'normal', 'normal', 'panic']
    >>> vix.get_market_history_stats("BTCUSDT")["samples"]
    6
    """

    def __init__(self, config: VIXConfig | None = None, *, clock: Clock | None = None) -> None:
        self.config = VIXConfig() if config is None else config
        self._clock: Clock = SystemClock() if clock is None else clock
        self._markets: OrderedDict[str, _Window] = OrderedDict()
        self.watched: Mapping[str, object] = self._markets
        """The markets that have a window, by key."""

    def update(self, market_key: str, value: float) -> VixReading:
        """Compare a quote with the window before it, then add it.

        Raises
        ------
        calib.errors.BadObservation
            If it is not a finite number.
        """
        number = _finite(market_key, value)
        now_ns = self._clock.monotonic_ns()
        window = self._window(market_key)
        window.drop_before(now_ns - round(self.config.window_s * NS_PER_S), self.config.max_samples - 1)
        window.reading = self._judge(window, number)
        window.append(now_ns, number)
        return window.reading

    def observe(self, market_key: str, value: float, *, same_within_s: float = 1.0) -> VixReading:
        """Like `update`, but do not add the newest sample again if it repeats within ``same_within_s`` seconds.

        A quote that is read many times per second is one quote: otherwise its copies would displace older samples and
        lower its own z.
        """
        window = self._markets.get(market_key)
        if window is not None and window.samples and window.samples[-1][1] == value:
            age_ns = self._clock.monotonic_ns() - window.samples[-1][0]
            if age_ns < same_within_s * NS_PER_S:
                return self._classified(window.reading)
        return self.update(market_key, value)

    def judge(self, market_key: str, value: float) -> VixReading:
        """Return the reading of a quote without adding it; normal for an unknown market."""
        number = _finite(market_key, value)
        window = self._markets.get(market_key)
        if window is None:
            return _UNKNOWN
        self._drop_old(window)
        return self._judge(window, number)

    def status(self, market_key: str) -> VixReading:
        """Return the reading of the market's newest quote; normal without a quote in the window."""
        window = self._markets.get(market_key)
        if window is None:
            return _UNKNOWN
        self._drop_old(window)
        return self._classified(window.reading) if window.samples else _UNKNOWN

    def get_market_history_stats(self, market_key: str) -> dict[str, Any]:
        """Return figures of a market: ``samples``, ``mean``, ``sd``, ``last``, ``z``, ``status``, ``window_s``.

        Figures of an empty window are None.
        """
        reading = self.status(market_key)
        window = self._markets.get(market_key)
        mean, sd = (None, None) if window is None or not window.samples else window.mean_and_sd()
        return {
            "samples": 0 if window is None else len(window.samples),
            "mean": mean,
            "sd": sd,
            "last": window.samples[-1][1] if window is not None and window.samples else None,
            "z": reading.z,
            "status": reading.status.value,
            "window_s": self.config.window_s,
        }

    def clear(self) -> None:
        """Remove every market."""
        self._markets.clear()

    @property
    def markets(self) -> int:
        """Number of markets with a window."""
        return len(self._markets)

    def _drop_old(self, window: _Window) -> None:
        oldest_ns = self._clock.monotonic_ns() - round(self.config.window_s * NS_PER_S)
        window.drop_before(oldest_ns, self.config.max_samples)

    def _window(self, market_key: str) -> _Window:
        window = self._markets.get(market_key)
        if window is None:
            window = self._markets[market_key] = _Window()
            while len(self._markets) > self.config.max_markets:
                self._markets.popitem(last=False)
        else:
            self._markets.move_to_end(market_key)
        return window

    def _judge(self, window: _Window, value: float) -> VixReading:
        count = len(window.samples)
        if count < self.config.min_samples:
            return VixReading(VixStatus.NORMAL, None, count)
        floor = self.config.sigma_floor_ratio
        mean, sd = window.mean_and_sd()
        last = window.samples[-1][1]
        level = _in_sigmas(abs(value - mean), max(sd, floor * abs(mean)))
        step = _in_sigmas(abs(value - last), floor * abs(last)) if floor > 0 else 0.0
        return self._classified(VixReading(VixStatus.NORMAL, max(level, step), count))

    def _classified(self, reading: VixReading) -> VixReading:
        """Return the reading with its status by the current thresholds."""
        config, z = self.config, reading.z
        if z is None:
            return reading
        if z >= config.panic_threshold_sigma:
            return VixReading(VixStatus.PANIC, z, reading.samples)
        if z >= config.warning_threshold_sigma:
            return VixReading(VixStatus.WARNING, z, reading.samples)
        return VixReading(VixStatus.NORMAL, z, reading.samples)


def _in_sigmas(distance: float, sigma: float) -> float:
    """Return ``distance / sigma``; with a sigma of 0, 0 for an unchanged quote and infinity otherwise."""
    if sigma > 0:
        return distance / sigma
    return math.inf if distance > 0 else 0.0


def _finite(market_key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadObservation(
            f"{value!r} is not a finite number", where=str(market_key), hint="Leave out quotes that are unknown"
        )
    return float(value)
