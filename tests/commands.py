"""Running commands of the command line in tests."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner, Result

from edgedescent import cli


def run(*words: object, answer: str | None = None) -> Result:
    """Run a command in this process; whatever it raises on purpose has become an exit code."""
    result = CliRunner().invoke(cli.cli, [str(word) for word in words], prog_name="edgedescent", input=answer)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def told(*words: object) -> list[Any]:
    """The lines of JSON of a command that must succeed."""
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]
