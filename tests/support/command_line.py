"""Running commands of the command line in tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner, Result

from edgedescent import cli, commands


def _commands() -> list[str]:
    """Names of all commands; those of a group follow the group's name."""
    groups = {name: command for name, command in commands.COMMANDS.items() if isinstance(command, click.Group)}
    inner = [f"{name} {within}" for name, group in groups.items() for within in group.commands]
    return sorted([*commands.COMMANDS, *inner])


COMMANDS = _commands()
GROUPS = ("journal", "dead-letters", "snapshots")
CONFIGURED = [name for name in COMMANDS if name not in ("demo", "init", "replay", "simulate", "sweep", *GROUPS)]
"""Commands that take a configuration."""
REST = {"backup": ["copy.db"], "dead-letters show": ["1.0"], "dead-letters purge": ["--all"]}
"""Further arguments that a command needs."""


def device_file(folder: Path, tables: str = "") -> Path:
    """A configuration whose state folder is `state` beside it."""
    path = folder / "device.toml"
    learner = '[learner]\ntype = "LinearRegressor"\n'
    path.write_text(f'device = "pump"\n{learner}[state]\npath = "{folder}/state"\n{tables}')
    return path


def run(*words: object, answer: str | None = None) -> Result:
    """Run a command in this process; an error that it raises on purpose becomes an exit code."""
    result = CliRunner().invoke(cli.cli, [str(word) for word in words], prog_name="edgedescent", input=answer)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def run_json(*words: object) -> list[Any]:
    """Run a command that must succeed with --json; returns its lines."""
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]
