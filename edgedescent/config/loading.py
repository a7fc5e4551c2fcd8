"""Reading of a configuration file."""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

from edgedescent.config.answers import answer_template
from edgedescent.config.building import convert
from edgedescent.config.config import Config
from edgedescent.config.environment import override
from edgedescent.errors import ConfigError, ConfigFileError


def checksum(path: str | Path) -> str:
    """SHA-256 of a configuration file; empty if it cannot be read."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return ""


def load(path: str | Path, environment: Mapping[str, str] = os.environ, *, check_adapters: bool = False) -> Config:
    """Read and validate a configuration file.

    Args:
        path: Path of the file.
        environment: Environment variables, which override the file.
        check_adapters: Import the transport and the exporter, and validate their parts of the configuration too.

    Returns:
        The configuration.

    Raises:
        ConfigFileError: If something in the file is wrong; the message starts with the path of the file.
        ConfigError: If the file, or something that it names, cannot be used now.
    """
    path = Path(path)
    try:
        # Some editors start a file with a byte order mark.
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}.", "Give the path of a TOML file.") from error
    except UnicodeDecodeError as error:
        raise ConfigFileError(f"{path}: not UTF-8 at byte {error.start}.") from error
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # tomllib raises a plain ValueError for an integer with more digits than Python converts.
        raise ConfigFileError(f"{path}: not valid TOML: {error}.") from error
    try:
        override(table, environment)
        config = convert(table, Config)
        config.build_learner()
        config.payload_format()
        config.assembly_settings()
        config.output_topics()
        answer_template(config)
        if check_adapters:
            config.build_transport()
            config.build_exporter()
    except ConfigError as error:
        # An error with a cause, such as a missing certificate or package, can be solved without changing the file.
        kind = ConfigFileError if error.__cause__ is None else ConfigError
        raise kind(f"{path}: {error}", error.hint) from None
    return config
