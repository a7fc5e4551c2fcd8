"""docs/messages.md tells what the daemon publishes, field by field."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from edgedescent import LinearRegressor
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Message
from support.daemon_harness import DaemonHarness

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/messages.md").read_text(encoding="utf-8")
DOCUMENTED = {name for row in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE) for name in re.findall("`(.*?)`", row)}


def test_the_page_is_what_the_code_says() -> None:
    subprocess.run([sys.executable, str(ROOT / "docs/messages.py")], check=True)


def test_every_field_of_a_prediction_is_documented() -> None:
    engine = Engine(LinearRegressor(interval_levels=(0.9,)), interval=0.9)
    fields: set[str] = set()
    for n in range(20):
        event = {"id": n, "x": {"a": n % 3}, "y": float(n % 3)}
        (answer,) = engine.handle(Message(n + 1, 0.0, "events", json.dumps(event).encode()))
        fields |= json.loads(answer.payload).keys()
    assert {"prediction", "id", "y", "low", "high"} == fields <= DOCUMENTED
    answers, letter = engine.handle(Message(21, 0.0, "events", b'[{"x": {"a": 1}}, {"x": 7}]'))
    assert [answer.keys() - {"low", "high"} for answer in json.loads(answers.payload)] == [{"prediction"}]
    assert letter.payload == b'{"x": 7}'


def test_every_metric_is_documented(tmp_path: Path) -> None:
    harness = DaemonHarness(tmp_path).recover()
    harness.receive(b'{"x": {"a": 1}, "y": 2}', b'{"x": {"a": 1}}', b"nonsense")
    names = {re.sub(r"\..*", "", name) for name in harness.daemon.metrics()}
    assert names <= DOCUMENTED
