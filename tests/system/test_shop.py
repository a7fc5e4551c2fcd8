"""From a click stream to answers: the steps of docs/recommenders.md as written, and the client for Node.js."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgedescent_sims.broker.process import BrokerProcess
from support.brokers import running_broker
from support.snippets import FENCE

ROOT = Path(__file__).resolve().parents[2]
SHOP = ROOT / "examples" / "shop"
COUNT = 979
"""Clicks of `clicks.py`."""
ASK = 'mosquitto_rr -t edgedescent/shop-3/recommend -e page/8 -m \'{"user": "ann"}\''


def section() -> list[tuple[str, str]]:
    """Languages and texts of the fences of the section."""
    page = (ROOT / "docs" / "recommenders.md").read_text(encoding="utf-8")
    text = page[page.index("## From a click stream to answers") : page.index("## From the daemon")]
    return FENCE.findall(text)


def steps(*, node: bool) -> list[str]:
    """Shell commands of the section, of Node.js or the others."""
    lines = [line for kind, text in section() if kind == "bash" for line in text.strip().splitlines()]
    return [line for line in lines if (line.startswith(("node ", "npm "))) == node]


def until(condition: str) -> str:
    """Shell command that waits for a condition, which is a command too."""
    return f"for i in $(seq 600); do {condition} && break; sleep 0.1; done"


@contextmanager
def a_shop(folder: Path) -> Iterator[tuple[BrokerProcess, Path]]:
    """A broker, and the folder `examples/shop` with the configuration of the page."""
    work = folder / "examples" / "shop"
    shutil.copytree(SHOP, work, ignore=shutil.ignore_patterns("node_modules"))
    (configuration,) = (text for kind, text in section() if kind == "toml")
    with running_broker("mosquitto") as broker:
        (work / "shop.toml").write_text(configuration.replace("1883", str(broker.port)), encoding="utf-8")
        yield broker, work


def typed(lines: list[str], folder: Path, port: int) -> str:
    """Type commands in; what a person waits for is waited for. Returns what they print."""
    script = "\n".join(lines)
    script = re.sub(r"mosquitto_(pub|rr)", rf"mosquitto_\1 -p {port}", script)
    script = re.sub(r"(node recommend.js .*)", rf"\1 --broker mqtt://localhost:{port}", script)
    subscribed = until("grep -q 'Receiving edgedescent/shop-3/recommend' daemon.log")
    script = re.sub(r"(edgedescent run .*) &", rf"\1 2> daemon.log &\n{subscribed}", script)
    # The answer that came last is in the status a moment later.
    told = until("edgedescent status shop.toml | grep -q 'item_events *13'")
    script = script.replace("edgedescent status shop.toml", f"{told}\nedgedescent status shop.toml")
    done = subprocess.run(
        ["bash", "-c", f"set -eo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n{script}\n"],
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "EDGEDESCENT_METRICS__INTERVAL_S": "0.1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def need(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")


def test_the_steps_of_the_page_lead_to_answers(tmp_path: Path) -> None:
    need("mosquitto_pub", "mosquitto_rr")
    *lines, status = steps(node=False)
    lines += [ASK, status]
    with a_shop(tmp_path) as (broker, _):
        printed = typed(lines, tmp_path, broker.port)
    answers = [json.loads(line) for line in printed.splitlines() if line.startswith('{"user"')]
    assert [answer["items"] for answer in answers] == [
        ["jekyll", "carmilla", "middlemarch"],
        ["jekyll", "middlemarch", "pride"],
    ]
    assert answers[0]["attributes"][1] == {"title": "Carmilla", "author": "Sheridan Le Fanu"}
    status = dict(re.findall(r"^ *(\w+) +(\S+)$", printed, re.MULTILINE))
    assert (status["events_learned"], status["item_events"], status["dead_letters"]) == (str(COUNT), "13", "0")
    assert 0.0 < float(status["recall_at_k"]) <= 1.0


def test_the_client_for_node_shows_titles(tmp_path: Path) -> None:
    need("node", "mosquitto_pub")
    found = subprocess.run(["node", "-e", "require.resolve('mqtt')"], cwd=SHOP, capture_output=True, check=False)
    if found.returncode:
        pytest.skip("the package mqtt of npm is not installed: make readers, or npm install in examples/shop")
    with a_shop(tmp_path) as (broker, work):
        (work / "node_modules").symlink_to(SHOP / "node_modules")
        before = steps(node=False)
        asked = [line for line in steps(node=True) if line.startswith("node ")]
        assert steps(node=True)[0] == "npm install"
        (withdrawal,) = (line for line in before if "available" in line)
        lines = [line for line in before[: before.index(withdrawal)] if "mosquitto_rr" not in line]
        failing = "! node recommend.js ann --k 99"
        printed = typed([*lines, asked[0], withdrawal, asked[1], failing], tmp_path, broker.port)
    *_, shown = (text for kind, text in section() if kind == "text")
    assert shown in printed
    assert printed.count("Carmilla") == 1
    assert printed.endswith(
        "For ann:\n1. Strange Case of Dr Jekyll and Mr Hyde, by Robert Louis Stevenson\n"
        "2. Middlemarch, by George Eliot\n3. Pride and Prejudice, by Jane Austen\n"
    )
