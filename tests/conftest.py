"""What every test shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# An example has no time limit of its own: on a busy machine the first one, which imports, took longer than any limit
# that would find something. How fast code is, the benchmarks say.
settings.register_profile("calib", deadline=None)
settings.load_profile("calib")

REPOSITORY = Path(__file__).resolve().parent.parent
REAL_FEEDS = REPOSITORY.parent / "shared" / "real_feeds"


@pytest.fixture(autouse=True)
def _no_foreign_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's own CALIB_* variables must not change an outcome."""
    for variable in [name for name in os.environ if name.startswith("CALIB_")]:
        if variable != "CALIB_NATIVE":  # no setting: with 0 the suite runs without the kernel
            monkeypatch.delenv(variable)


@pytest.fixture
def real_feeds() -> Path:
    """The real recordings, where this checkout has them beside it."""
    if not REAL_FEEDS.is_dir():
        pytest.skip("the real recordings are not beside this checkout (../shared/real_feeds)")
    return REAL_FEEDS
