"""One line in a table makes a gate: setting, both decisions, fingerprint, state and report follow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from calib.config import Setting
from calib.errors import ConfigError
from calib.experiments import ABHarness, ABSettings, gates
from calib.experiments.settings import all_settings
from calib.reports.ab import report_writer

T0 = 1_750_000_020.0
SYMBOLS = [f"S{i}" for i in range(10)]


@dataclass(frozen=True, slots=True)
class NetLoss(gates.Gate):
    """B earns less than A: a dummy gate, in the direction in which a smaller value is worse."""

    name = "net_loss"
    metric = "net_bps"
    kind = "fills"
    channel = "net_bps"
    setting = Setting("ab.net_margin_bps", "float", 0.5, "Gate net_loss: tolerated loss, bps", 0)
    threshold: float = setting.default
    worse = -1

    @property
    def threshold_text(self) -> str:
        return f"A - {self.threshold:g} bps"

    @property
    def block_margin(self) -> float:
        return self.threshold

    def bound(self, a: float) -> float:
        return a - self.threshold


@pytest.fixture
def with_dummy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "GATES", (*gates.GATES, NetLoss))


def run(decision: str, directory: Path, loss_bps: float, **more: Any) -> ABHarness:
    settings = ABSettings(assignment="switchback", decision=decision, hold_s=120, **more)
    ab = ABHarness(
        "online", 0.5, symbols=SYMBOLS, settings=settings, directory=directory, report_writer=report_writer(directory)
    )
    for second in range(0, 5400, 4):
        for i, symbol in enumerate(SYMBOLS):
            ts = T0 + second + i / 100
            noise = ((second * 7 + i * 13) % 11 - 5) / 10
            loss = loss_bps if ab.router.arm(symbol, ts) == "B" else 0.0
            mid = 100 * (1 + (noise - loss) * 1e-4)
            ab.record_fill(symbol, ts, "buy", 100.0, 1.0, "maker", quote_price=100.0, mid_at_quote=100.0, mid_now=mid)
        if ab.evaluate(T0 + second) == "ROLLED_BACK":
            break
    return ab


@pytest.mark.usefixtures("with_dummy")
@pytest.mark.parametrize("decision", ["threshold", "sequential"])
def test_a_new_gate_acts_under_both_decisions(tmp_path: Path, decision: str) -> None:
    ab = run(decision, tmp_path, 2.0)
    assert ab.rollback is not None
    assert ab.rollback["gate"] == "net_loss"
    text = next((tmp_path / "reports").glob("ab_run_*.md")).read_text()
    assert "`net_loss`" in text
    assert "A - 0.5 bps" in text
    assert run("sequential", tmp_path / "calm", 0.2).rollback is None


@pytest.mark.usefixtures("with_dummy")
def test_its_setting_and_fingerprint_follow() -> None:
    assert all_settings()["ab.net_margin_bps"].default == 0.5
    assert ABSettings.from_section({"net_margin_bps": 0.7}).gates[-1].bound(1.0) == pytest.approx(0.3)
    changed = ABSettings(thresholds={"net_margin_bps": 0.7}).fingerprint()
    assert changed != ABSettings().fingerprint()
    assert ABSettings(thresholds={"net_margin_bps": 0.7}).as_data()["net_margin_bps"] == 0.7
    with pytest.raises(ConfigError, match=r"ab\.net_margin_bps"):
        ABSettings(thresholds={"net_margin_bps": -1.0})


def test_an_unknown_threshold_is_refused() -> None:
    with pytest.raises(ConfigError, match="not a threshold"):
        ABSettings(thresholds={"net_margin_bps": 0.7})


def test_every_gate_states_what_a_report_and_a_configuration_need() -> None:
    for kind in gates.GATES:
        gate = kind(kind.setting.default)
        assert gate.threshold == kind.setting.default
        assert gate.threshold_text
        assert gate.block_margin >= 0
        assert kind.setting.key in all_settings()
