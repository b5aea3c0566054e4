"""Every setting of calib, and a configuration as typed objects.

A bot reads its own configuration file with `load_config`; the command line resolves the same settings with flags.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from calib.config import Config, Setting, find_file
from calib.dataset.settings import SETTINGS as DATASET
from calib.dataset.settings import AggregateSettings
from calib.evaluation.readiness_settings import SETTINGS as READY
from calib.evaluation.readiness_settings import ReadinessSettings
from calib.experiments.canary.settings import SETTINGS as CANARY
from calib.experiments.canary.settings import CanarySettings
from calib.experiments.settings import SETTINGS as AB
from calib.experiments.settings import ABSettings, RoutingSettings
from calib.feeds.contracts import SETTINGS as CONTRACTS
from calib.feeds.contracts import Contract, contracts_of
from calib.feeds.settings import CHECK, ENGINE, CheckSettings, EngineSettings, FeedsSettings
from calib.feeds.settings import SETTINGS as FEEDS
from calib.fitting.settings import SETTINGS as FITTING
from calib.fitting.settings import FitSettings, PublishSettings
from calib.importers.settings import SETTINGS as IMPORT
from calib.importers.settings import ImportSettings
from calib.market.cache.config import SETTINGS as MD_CACHE
from calib.market.cache.config import MDCacheConfig
from calib.policy.settings import SETTINGS as POLICY
from calib.policy.settings import PolicySettings
from calib.replay.options import SETTINGS as REPLAY
from calib.replay.options import ReplayOptions
from calib.smartcache.settings import SETTINGS as SMART_CACHE
from calib.smartcache.settings import SmartCacheSettings

SETTINGS: Final[dict[str, Setting]] = (
    FEEDS
    | ENGINE
    | CONTRACTS
    | CHECK
    | DATASET
    | IMPORT
    | MD_CACHE
    | SMART_CACHE
    | AB
    | REPLAY
    | CANARY
    | READY
    | POLICY
    | FITTING
)
"""Every key by its name, room by room."""


@dataclass(frozen=True, slots=True)
class AppConfig:
    """A configuration as typed objects, one per section.

    >>> AppConfig.of(Config.resolve(SETTINGS, {"md_cache.ttl_ms": 40}, environment={})).md_cache.fresh_ms_for_pricing
    40
    """

    config: Config
    """The same values by key, with the origin of each."""
    feeds: FeedsSettings
    """The keys without a section, but for those of ``engine``."""
    engine: EngineSettings
    contracts: dict[str, Contract]
    """Symbol -> its contract."""
    check: CheckSettings
    aggregate: AggregateSettings
    import_: ImportSettings
    md_cache: MDCacheConfig
    smart_cache: SmartCacheSettings
    ab: ABSettings
    routing: RoutingSettings
    """Split and lists of the ``ab`` section."""
    replay: ReplayOptions
    canary: CanarySettings
    ready: ReadinessSettings
    policy: PolicySettings
    fit: FitSettings
    publish: PublishSettings

    @classmethod
    def of(cls, config: Config) -> AppConfig:
        """The sections of a resolved configuration."""
        return cls(
            config,
            FeedsSettings(**_own(config, FEEDS)),
            EngineSettings(**_own(config, ENGINE)),
            contracts_of(config["contracts"]),
            CheckSettings(**_own(config, CHECK)),
            AggregateSettings(**_own(config, {key: DATASET[key] for key in DATASET if _field(key, AggregateSettings)})),
            ImportSettings(**_own(config, IMPORT)),
            MDCacheConfig.from_config(config),
            SmartCacheSettings(**_own(config, SMART_CACHE)),
            ABSettings.from_section(config.section("ab")),
            RoutingSettings(**{name: config[f"ab.{name}"] for name in RoutingSettings.__slots__}),
            ReplayOptions(**_own(config, REPLAY)),
            CanarySettings.from_section(config.section("canary")),
            ReadinessSettings(**_own(config, READY)),
            PolicySettings(**_own(config, POLICY)),
            FitSettings(**_own(config, {key: FITTING[key] for key in FITTING if key.startswith("fit.")})),
            PublishSettings(**_own(config, {key: FITTING[key] for key in FITTING if key.startswith("publish.")})),
        )


def load_config(path: Path | str | None = None, *, environment: Mapping[str, str] | None = None) -> AppConfig:
    """Read a configuration: ``CALIB_*`` variables, then the file, then the defaults.

    Parameters
    ----------
    path
        The configuration file; None: the file named by ``CALIB_CONFIG``, else ``./calib.yaml`` if it exists.
    environment
        The environment variables; None: those of this process.

    Raises
    ------
    calib.errors.ConfigError
        If the file cannot be read, a key is unknown, or a value is out of range.
    """
    environment = os.environ if environment is None else environment
    file = find_file(None if path is None else str(path), environment)
    return AppConfig.of(Config.resolve(SETTINGS, environment=environment, file=file))


def _own(config: Config, settings: Mapping[str, Setting]) -> dict[str, Any]:
    return {key.rpartition(".")[2]: config[key] for key in settings}


def _field(key: str, owner: type) -> bool:
    return key.rpartition(".")[2] in owner.__slots__  # type: ignore[attr-defined]  # every section is slotted
