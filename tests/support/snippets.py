"""Snippets of the documentation, run as a person would type them."""

from __future__ import annotations

import os
import random
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from support.brokers import running_broker

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ADDRESS = "localhost:1883"
_REPORTED = """\
reported() {  # Wait until the daemon's last report has a pattern; `edgedescent status` would start Python each time.
  for i in $(seq 1200); do
    grep -q "$1" "$(tail -n 1 state/lock 2>/dev/null | tr -d '"')/status.json" 2>/dev/null && return
    sleep 0.1
  done
  echo "not reported: $1" >&2
  return 1
}
"""


def run_as_typed(
    text: str, folder: Path, *, programs: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run shell commands beside a broker, with the device of the README and a table of readings in the folder.

    Args:
        text: The commands.
        folder: Where they run.
        programs: Folder of the command `edgedescent`.
        environment: Environment of the commands; that of this process if None.
    """
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    device = next(text for kind, text in FENCE.findall(readme) if kind == "toml")
    (folder / "device.toml").write_text(device, encoding="utf-8")
    numbers = random.Random(7)
    rows = [f"{numbers.gauss(4, 1):.3f},{numbers.gauss(20, 5):.2f},{numbers.gauss(3, 1):.3f}" for _ in range(300)]
    (folder / "readings.csv").write_text("\n".join(["pressure,temp,flow", *rows]) + "\n", encoding="utf-8")
    with running_broker() as broker:
        variables = {
            **(os.environ if environment is None else environment),
            "PATH": f"{programs}:{os.environ['PATH']}",
            "EDGEDESCENT_BROKER__PORT": str(broker.port),
            "EDGEDESCENT_BROKER__PROTOCOL": broker.protocols[0],
            "EDGEDESCENT_METRICS__INTERVAL_S": "0.2",
        }
        commands = text.replace(_ADDRESS, f"localhost:{broker.port}")
        commands = commands.replace("edgedescent replay", f"edgedescent replay --protocol {broker.protocols[0]}")
        if "edgedescent run" in commands and "edgedescent replay" not in commands:
            # The page assumes a device that has events to learn from.
            replay = (
                f"edgedescent replay readings.csv --to mqtt://localhost:{broker.port} --device pump-7 --target flow "
                f"--protocol {broker.protocols[0]}\n"
            )
            commands = re.sub(r"(edgedescent run .*&.*\n)", r"\1" + replay, commands)
        # A person reads and types; the script gives the daemon that time.
        # What is published before it has subscribed would be lost.
        commands = re.sub(r"(edgedescent run .*&.*\n)", r"""\1reported '"connected": true'\n""", commands)
        if "edgedescent run" in commands:
            learned = """reported '"messages": 300,.*"messages_uncommitted": 0[,}]'"""
            commands = re.sub(r"(edgedescent replay .*readings.*\n)", rf"\1{learned}\n", commands)
        script = f"set -e\n{_REPORTED}trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n{commands}"
        return subprocess.run(
            ["bash", "-c", script], cwd=folder, env=variables, capture_output=True, text=True, check=False
        )


def type_in_page(path: Path, folder: Path, *, programs: Path, environment: Mapping[str, str] | None = None) -> str:
    """Type in a page from top to bottom in one folder, and return what it printed.

    Files are named by the comment in their first line; programs in Python run with warnings as errors.

    Args:
        path: The page, in Markdown.
        folder: Where its files are written and its commands run.
        programs: Folder of `edgedescent` and `python`.
        environment: Environment of the commands; that of this process if None.

    Raises:
        AssertionError: If a program names no file, or a command fails.
    """
    variables = {
        **(os.environ if environment is None else environment),
        "PATH": f"{programs}:{os.environ['PATH']}",
    }
    printed = []
    for kind, text in FENCE.findall(path.read_text(encoding="utf-8")):
        named = re.match(r"# (\S+)\n", text)
        if kind in ("python", "toml"):
            assert named, f"a block of {kind} does not name its file:\n{text}"
            (folder / named[1]).write_text(text, encoding="utf-8")
        command = {"python": [programs / "python", "-W", "error", named and named[1]], "sh": ["bash", "-ec", text]}
        if kind in command:
            done = subprocess.run(command[kind], cwd=folder, env=variables, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
            printed.append(done.stdout)
    return "".join(printed)
