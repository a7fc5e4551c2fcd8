"""Measure what importing each dependency adds to a process: resident memory and time."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass

import click
from harness import command_line, environment

# Each dependency in pyproject.toml, with the statement by which it is used. What runs as a program of its own
# is imported the way the program does; ruff is a native program, of which only the launcher is Python.
IMPORTS = {
    "numpy": "import numpy",
    "msgspec": "import msgspec",
    "narwhals": "import narwhals",
    "paho-mqtt": "import paho.mqtt.client",
    "click": "import click",
    "onnx": "import onnx",
    "onnxruntime": "import onnxruntime",
    "river": "from river import linear_model",
    "cbor2": "import cbor2",
    "holidays": "import holidays; holidays.country_holidays('DE')",
    "protobuf": "from google.protobuf import descriptor_pb2, descriptor_pool, message_factory",
    "amqtt": "import amqtt.broker",
    "rich": "import rich.live, rich.progress",
    "apsw": "import apsw",
    "textual": "import textual.app, textual.widgets",
    "jinja2": "import jinja2",
    "pyarrow": "import pyarrow.parquet",
    "tomli-w": "import tomli_w",
    # Never imported by the project, which reads two files of its folder.
    "uplot-python": "import uplot",
    "optuna": "import optuna",
    "distributed": "import distributed",
    "scikit-learn": "import sklearn.linear_model, sklearn.preprocessing",
    "matplotlib": "import matplotlib.figure",
    "samlb": "import samlb.framework.base",
    "vowpalwabbit": "import vowpalwabbit",
    "pytest": "import pytest",
    "pytest-timeout": "import pytest_timeout",
    "pytest-xdist": "import xdist",
    "hypothesis": "import hypothesis",
    "pandas": "import pandas",
    "polars": "import polars",
    "playwright": "import playwright.sync_api",
    "prometheus-client": "import prometheus_client.parser",
    "psutil": "import psutil",
    "pyyaml": "import yaml",
    "mypy": "import mypy.main",
    "ruff": "import ruff",
    "import-linter": "import importlinter.cli",
    "zensical": "import zensical.main",
    "mkdocstrings-python": "import mkdocstrings, mkdocstrings_handlers.python",
    "build": "import build.__main__",
    "cibuildwheel": "import cibuildwheel.__main__",
    "scikit-build-core": "import scikit_build_core.build",
    "cython": "import Cython.Compiler.Main",
}

# Runs in a fresh interpreter. VmRSS is read from /proc, as psutil would do, without importing anything more.
PROBE = """
import sys, time
def resident_kib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
memory, start = resident_kib(), time.perf_counter()
{statement}
print(time.perf_counter() - start, resident_kib() - memory, memory)
"""


@dataclass(frozen=True)
class Cost:
    """Memory and time that one import adds to a fresh process; medians."""

    name: str
    statement: str
    memory_mib: float
    time_ms: float


def measure(name: str, statement: str, runs: int) -> Cost:
    """Import in `runs` fresh processes, after one that warms the disk cache and writes the bytecode."""
    times_ms, memories_mib = [], []
    for run in range(runs + 1):
        probe = subprocess.run(
            [sys.executable, "-c", PROBE.format(statement=statement)],
            capture_output=True,
            text=True,
            check=False,
        )
        if probe.returncode:
            reason = probe.stderr.strip().rpartition("\n")[2]
            raise click.ClickException(f"{statement!r} failed: {reason}. bench/README.md says what to install.")
        if run:
            time_s, memory_kib, _ = (float(word) for word in probe.stdout.split()[-3:])
            times_ms.append(time_s * 1000)
            memories_mib.append(memory_kib / 1024)
    return Cost(name, statement, statistics.median(memories_mib), statistics.median(times_ms))


@click.command(epilog="Example: python bench/imports.py --runs 9")
@click.option("--runs", type=click.IntRange(min=1), default=5, show_default=True, help="Fresh processes each.")
@click.option("--json", "json_", is_flag=True, help="One line of JSON instead of the table.")
def main(runs: int, json_: bool) -> None:
    """Measure what importing each dependency adds to a fresh process: resident memory and time (Linux).

    Each figure includes what the dependency itself imports, so the rows do not add up: onnx brings numpy.
    """
    costs = [measure(name, statement, runs) for name, statement in IMPORTS.items()]
    ran_on = environment(tuple(IMPORTS))
    if json_:
        click.echo(json.dumps({"ran_on": ran_on, "again": command_line(), "imports": [asdict(c) for c in costs]}))
        return
    click.echo("| dependency | version | resident memory, MiB | import, ms |\n|---|---|---:|---:|")
    for cost in costs:
        click.echo(f"| {cost.name} | {ran_on[cost.name]} | {cost.memory_mib:.1f} | {cost.time_ms:.0f} |")
    machine = ", ".join(f"{key} {ran_on[key]}" for key in ("processor", "cores", "system", "Python"))
    click.echo(f"\nMedians of {runs} fresh processes. Ran on: {machine}\nAgain: {command_line()}")


if __name__ == "__main__":
    main()
