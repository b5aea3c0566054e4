"""CAL201: a getter of prohibited data with a code path without a request."""

from __future__ import annotations

from collections.abc import Iterator

from calib.policy.checker.detect import keeping
from calib.policy.checker.findings import Hit, Rule, Severity, code
from calib.policy.checker.kinds import NONE, PROHIBITED
from calib.policy.checker.messages import listed
from calib.policy.checker.module import Function, Module
from calib.policy.checker.traced import FlowEvent
from calib.policy.checker.verbs import getter_kinds
from calib.policy.checker.words import split


def _find(module: Module) -> Iterator[Hit]:
    for group in module.groups:
        fetched = {kept.path for kept in keeping.kept_places(module, group) if _is_fetched(module, kept)}
        for function in group.functions:
            if split(function.name)[:1] not in (("get",), ("fetch",)) or keeping.is_simulated(function):
                continue
            kinds = getter_kinds(function.name, module.level) & PROHIBITED
            if kinds and (event := _return_without_fetch(function, fetched)) is not None:
                yield Hit(event.node, f"`{function.name}` has a path that returns {listed(kinds)} without a fresh call")


def _is_fetched(module: Module, kept: keeping.Kept) -> bool:
    """Return whether the slot stores fetched data that does not come from a stream."""
    return bool(keeping.fetched(kept, PROHIBITED, module.level)) and not keeping.is_streamed(kept)


def _return_without_fetch(function: Function, fetched: set[str]) -> FlowEvent | None:
    """Return the first return of stored data without a fetch on its code path, or None."""
    for event in function.flow.of("return"):
        if event.value.kinds or not {slot.path for slot in event.value.slots} & fetched:
            continue
        branches = set(event.trail)
        fresh = [
            other
            for other in function.flow.events[: event.at]
            if (other.what == "fetch" or (other.what == "write" and other.value.kinds != NONE))
            and set(other.trail) <= branches
        ]
        if not fresh:
            return event
    return None


RULE = Rule(
    id="CAL201",
    name="getter-without-fetch",
    severity=Severity.WARNING,
    title="A getter of prohibited data has a code path without a request",
    why=(
        "The name promises current data, but one code path returns the result of an earlier call. Every path of such a "
        "getter must request the data from the exchange."
    ),
    wrong=code("""
        class Account:
            def __init__(self, client):
                self.client = client
                self.positions = []

            def get_positions(self, refresh=False):
                if refresh:
                    self.positions = self.client.fetch_positions()
                return self.positions
    """),
    right=code("""
        class Account:
            def __init__(self, client):
                self.client = client

            def get_positions(self):
                return self.client.fetch_positions()
    """),
    find=_find,
)
