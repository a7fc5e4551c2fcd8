"""The guide's transport, exporter and command work as an installed package, found by their entry points."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.waiting import eventually

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/extending.md").read_text(encoding="utf-8")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which the guide's packages are installed."""
    entry_points = []
    for title in ("A transport", "An exporter", "A command"):
        section = GUIDE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
        (code,) = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
        (declaration,) = re.findall(r"^```text\n\[project\.(.*?)^```$", section, re.MULTILINE | re.DOTALL)
        (module,) = re.findall(r"\"(\w+):\w+\"", declaration)
        (tmp_path / f"{module}.py").write_text(code, encoding="utf-8")
        entry_points.append(f"[{declaration.replace('entry-points.', '', 1)}".replace('"', ""))
    info = tmp_path / "my_plugins-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-plugins\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("\n".join(entry_points), encoding="utf-8")
    return {**os.environ, "PYTHONPATH": str(tmp_path), "RUNTIME_DIRECTORY": str(tmp_path / "run")}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    section = GUIDE.partition("\n## A transport\n")[2].partition("\n## ")[0]
    (table,) = re.findall(r"^```toml\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    spool = tmp_path / "spool"
    spool.mkdir()
    (tmp_path / "run").mkdir()
    path = tmp_path / "device.toml"
    more = (
        f'[state]\npath = "{tmp_path}/state"\n[snapshots]\nexporter = "state"\n'
        '[learner]\ntype = "LinearRegressor"\n[metrics]\ninterval_s = 0.5\n'
    )
    path.write_text(table.replace("/var/spool/pump-7", str(spool)) + more, encoding="utf-8")
    return path


def edgedescent(*words: object) -> list[str]:
    return [sys.executable, "-m", "edgedescent", *map(str, words)]


def test_the_command_is_found(environment: dict[str, str], config: Path) -> None:
    done = subprocess.run(edgedescent("topics", config), env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "edgedescent/pump-7/events\n"


def test_a_daemon_runs_on_the_transport_and_its_state_is_exported(environment: dict[str, str], config: Path) -> None:
    spool = config.parent / "spool"
    checked = subprocess.run(edgedescent("check", config), env=environment, capture_output=True, text=True, check=False)
    assert f"ok       folder: {spool} exists." in checked.stdout
    assert checked.returncode == 0
    for number in range(1, 41):
        event = {"id": number, "x": {"a": number % 7}, "y": 2.0 * (number % 7)}
        (spool / f"{number:03}.event").write_text(json.dumps(event), encoding="utf-8")
    (spool / "041.event").write_text("no event", encoding="utf-8")
    daemon = subprocess.Popen(edgedescent("run", config), env=environment)
    try:
        eventually(lambda: not list(spool.glob("*.event")), "every file taken")
        eventually((spool / "metrics.jsonl").exists, "metrics")
    finally:
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(60) == 0
    answers = (spool / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(answer)["id"] for answer in answers] == list(range(1, 41))
    done = subprocess.run(edgedescent("export", config), env=environment, capture_output=True, text=True, check=True)
    assert "agrees with the live model on 40 events (largest relative difference 0)" in done.stdout
    again = edgedescent("dead-letters", "replay", "--yes", config)
    done = subprocess.run(again, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("1 dead letters published again and removed")
    (sent,) = spool.glob("*.event")
    assert sent.read_text(encoding="utf-8") == "no event"
