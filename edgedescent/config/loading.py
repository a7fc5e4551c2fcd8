"""From a file to a checked configuration."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

from edgedescent.config.building import convert
from edgedescent.config.environment import override
from edgedescent.config.tables import Config
from edgedescent.errors import ConfigError, ConfigFileError


def load(path: str | Path, environment: Mapping[str, str] = os.environ, *, check_adapters: bool = False) -> Config:
    """Read and check a configuration file.

    Args:
        path: of the file.
        environment: whose variables override it.
        check_adapters: import the transport and the exporter, and check their parts of the configuration too.

    Raises:
        ConfigFileError: if anything in it is wrong; the message begins with the path of the file.
        ConfigError: if it, or something that it names, cannot be used now.
    """
    path = Path(path)
    try:
        # Some editors begin a file with a byte order mark.
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}.", "Give the path of a TOML file.") from error
    except UnicodeDecodeError as error:
        raise ConfigFileError(f"{path}: not UTF-8 at byte {error.start}.") from error
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # Beside its own errors, tomllib has that of a number with more digits than Python reads.
        raise ConfigFileError(f"{path}: not valid TOML: {error}.") from error
    try:
        override(table, environment)
        config = convert(table, Config)
        config.build_learner()
        config.payload_format()
        if check_adapters:
            config.build_transport()
            config.build_exporter()
    except ConfigError as error:
        # Behind what may be mended without this file, such as a certificate or a package, another error stands.
        kind = ConfigFileError if error.__cause__ is None else ConfigError
        raise kind(f"{path}: {error}", error.hint) from None
    return config
