"""Environment variables that override the configuration file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgedescent.config.values import Variable
from edgedescent.errors import ConfigError, shown

ENVIRONMENT_PREFIX = "EDGEDESCENT_"


def override(table: dict[str, Any], environment: Mapping[str, str]) -> None:
    """Set the keys of a parsed file that the environment names.

    Args:
        table: The parsed file, changed in place.
        environment: The environment variables.

    Raises:
        ConfigError: If a variable is not UTF-8, or its path leads through something that is not a table.
    """
    for name in sorted(environment):
        if not name.startswith(ENVIRONMENT_PREFIX):
            continue
        try:
            environment[name].encode()
        except UnicodeEncodeError:
            raise ConfigError(f"The environment variable {name} is not UTF-8.") from None
        *parents, key = name[len(ENVIRONMENT_PREFIX) :].lower().split("__")
        target = table
        for parent in parents:
            below = target.setdefault(parent, {})
            if isinstance(below, Variable):
                below = target[parent] = below.parsed()
            if not isinstance(below, dict):
                raise ConfigError(f"The environment variable {name} needs a table, but `{parent}` is {shown(below)}.")
            target = below
        target[key] = Variable(name, environment[name])
