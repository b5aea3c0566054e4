"""A real Prometheus server scrapes a running bot, and an alert fires and resolves."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from calib.metrics.names import LIVE
from calib.metrics.prometheus import alerts_text, rules_text
from tests.metrics.promtool import SERVER, needs_promtool, needs_server, promtool
from tests.metrics.test_exposition import parsed

WAIT_S = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode("utf-8"))


def until(found: Callable[[], Any], what: str) -> Any:
    """The first result that is not empty."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if result := found():
                return result
        time.sleep(0.1)
    raise AssertionError(f"never: {what}")


@contextlib.contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as sink, subprocess.Popen(command, stdout=sink, stderr=sink) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


def simulated_bot(port: int, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "calib", "simulate", "--serve-metrics", str(port), "--symbols", "BTCUSDT,ETHUSDT",
        "--minutes", "5", "--no-incidents", *more,
    ]  # fmt: skip


@contextlib.contextmanager
def prometheus(directory: Path, target: int) -> Iterator[str]:
    """A server with the shipped rules and alerts; only the holding times and the window of rates are shortened."""
    shortened = re.sub(r"\n(\s+)for: \S+", r"\n\1for: 0s", alerts_text())
    (directory / "alerts.yml").write_text(shortened, "utf-8")
    (directory / "rules.yml").write_text(rules_text(), "utf-8")
    setup = {
        "global": {"scrape_interval": "200ms", "evaluation_interval": "200ms"},
        "rule_files": ["rules.yml", "alerts.yml"],
        "scrape_configs": [{"job_name": "bot", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}],
    }
    (directory / "prometheus.yml").write_text(json.dumps(setup), "utf-8")
    port = free_port()
    command = [
        str(SERVER), f"--config.file={directory / 'prometheus.yml'}", f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with running(command, directory / "prometheus.log"):
        api = f"http://127.0.0.1:{port}"
        until(lambda: get(f"{api}/-/ready"), "the server is ready")
        yield api


def query(api: str, expr: str) -> list[dict[str, Any]]:
    answer = json.loads(get(f"{api}/api/v1/query?{urllib.parse.urlencode({'query': expr})}"))
    assert answer["status"] == "success"
    result: list[dict[str, Any]] = answer["data"]["result"]
    return result


def firing(api: str, alert: str) -> list[dict[str, Any]]:
    answer = json.loads(get(f"{api}/api/v1/alerts"))
    return [one for one in answer["data"]["alerts"] if one["labels"]["alertname"] == alert and one["state"] == "firing"]


@needs_server
def test_a_server_scrapes_the_simulated_bot_and_an_alert_fires_and_resolves(tmp_path: Path) -> None:
    """The venue loses its stream for six seconds: both books leave the state live, and come back."""
    port = free_port()
    bot = simulated_bot(port, "--fault", "reconnect@5+6")
    with prometheus(tmp_path, port) as api, running(bot, tmp_path / "bot.log"):
        by_symbol = "sum by (symbol) (mm_md_cache_requests_total) > 0"
        until(lambda: len(query(api, by_symbol)) == 2, "reads of both symbols are counted")
        assert {one["metric"]["symbol"] for one in query(api, by_symbol)} == {"BTCUSDT", "ETHUSDT"}
        [alert, *_] = until(lambda: firing(api, "CalibBookNotLive"), "the alert fires")
        assert alert["annotations"]["summary"].startswith(
            f"The book of {alert['labels']['symbol']} at 127.0.0.1:{port}"
        )
        until(lambda: not firing(api, "CalibBookNotLive"), "the alert resolves")
        # Names that are exposed are not recorded a second time.
        assert query(api, 'count({source="seed"})') == []


@needs_promtool
def test_the_metrics_of_the_simulated_bot_pass_promtool(tmp_path: Path) -> None:
    """In a minute of a new user's time: every family of the parts that it has holds a value, and the text is sound."""
    port = free_port()
    with running(simulated_bot(port), tmp_path / "bot.log"):
        text = until(lambda: _with_ticks(port), "the bot ticks")
    checked = promtool("check", "metrics", text=text)
    assert {line.split()[0] for line in (checked.stdout + checked.stderr).splitlines()} <= {
        "mm_md_cache_age_ms",
        "mm_md_cache_refresh_latency_p95_ms",
        "mm_md_refresh_latency_ms",
        "mm_symbol_queue_eta_ms",
    }
    lines = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}
    assert lines == {row.name for row in LIVE}


def _with_ticks(port: int) -> str:
    text = get(f"http://127.0.0.1:{port}/metrics")
    ticks = [count for (name, _), count in parsed(text).items() if name == "mm_pipeline_ticks_total"]
    return text if ticks and ticks[0] > 3 else ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_live_run_ends_at_a_signal_and_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    port = free_port()
    environment = {"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(simulated_bot(port), stderr=subprocess.PIPE, env=environment, cwd=Path.cwd()) as process:
        until(lambda: get(f"http://127.0.0.1:{port}/metrics"), "it answers")
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert b"Traceback" not in said
    assert list(tmp_path.iterdir()) == []
