"""A test kit for exchange adapters: two calls must make two requests.

For the tests of a bot, not for its live code.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

from calib.policy.fresh_exchange import FRESH_METHODS
from calib.policy.safety import SafetyCheck

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from calib.policy.fresh_exchange import FreshExchange

_ARGUMENTS: Final[Mapping[str, tuple[Any, ...]]] = {"get_order": ("1", "BTC/USDT")}


class CountingTransport:
    """Replaces the adapter's network: counts requests, returns a different response to each, and fails on demand.

    Parameters
    ----------
    answer
        ``(number, arguments) -> response`` of the request with that number, counted from 1; default: a dict with the
        number. Needed if the adapter parses responses.

    >>> transport = CountingTransport()
    >>> asyncio.run(transport.request("GET", "/balance")), transport.requests
    ({'number': 1}, 1)
    """

    def __init__(self, answer: Callable[[int, tuple[Any, ...]], Any] | None = None) -> None:
        self.requests = 0
        self._answer = answer
        self._failing = False

    async def request(self, *arguments: Any, **_: Any) -> Any:
        """Make one request."""
        self.requests += 1
        number = self.requests
        await asyncio.sleep(0)  # lets concurrent calls overlap, as on a network
        if self._failing:
            raise ConnectionError("the test kit made this request fail")
        return {"number": number} if self._answer is None else self._answer(number, arguments)

    @contextlib.contextmanager
    def failing(self) -> Iterator[None]:
        """Make every request fail inside the block."""
        self._failing = True
        try:
            yield
        finally:
            self._failing = False


async def prove_fresh(
    adapter: FreshExchange,
    transport: CountingTransport,
    *,
    arguments: Mapping[str, tuple[Any, ...]] | None = None,
    methods: tuple[str, ...] = FRESH_METHODS,
) -> SafetyCheck:
    """Check whether every call of an adapter's fresh methods makes its own request.

    Each method is called twice in turn, twice concurrently, and once while requests fail.

    Parameters
    ----------
    adapter
        The adapter, built on ``transport``.
    transport
        The transport that counts its requests.
    arguments
        Arguments by method, to replace the defaults (``get_order("1", "BTC/USDT")``, others none).
    methods
        The methods to check; default: all of `FRESH_METHODS`.

    Returns
    -------
    SafetyCheck
        Passed if two calls made two requests, in turn and concurrently, a failed request raised, and no two calls
        returned the same object. Otherwise it has a finding for each failure.

    >>> transport = CountingTransport()
    >>> class Adapter:
    ...     async def get_balances(self):
    ...         return await transport.request("GET", "/balance")
    >>> asyncio.run(prove_fresh(Adapter(), transport, methods=("get_balances",)))
    SafetyCheck(passed=True, findings=())
    """
    chosen = dict(_ARGUMENTS) | dict(arguments or {})
    findings: list[str] = []
    for name in methods:
        method = getattr(adapter, name, None)
        if method is None:
            findings.append(f"{name} is missing")
            continue
        findings += await _try(name, method, chosen.get(name, ()), transport)
    return SafetyCheck.of(findings)


async def _try(name: str, method: Any, arguments: tuple[Any, ...], transport: CountingTransport) -> list[str]:
    findings = []
    first = transport.requests
    one = await method(*arguments)
    second = transport.requests
    two = await method(*arguments)
    if second == first or transport.requests == second:
        findings.append(f"{name}: two calls in turn made {transport.requests - first} requests, not 2")
    if isinstance(one, dict | list | set) and one is two:
        findings.append(f"{name}: two calls returned the same object")
    before = transport.requests
    await asyncio.gather(method(*arguments), method(*arguments))
    if transport.requests - before < 2:
        findings.append(f"{name}: two calls at once made {transport.requests - before} requests, not 2")
    try:
        with transport.failing():
            await method(*arguments)
    except Exception:
        return findings
    return [*findings, f"{name}: a failed request did not raise, so an old or invented response was returned"]
