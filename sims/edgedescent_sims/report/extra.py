"""Packages of the extra `simulate`, imported by the function that needs them."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from edgedescent.errors import ConfigError

INSTALL_HINT = "Install it with: pip install 'edgedescent[simulate]'"


def import_extra(module: str, package: str, purpose: str) -> Any:
    """Import a module of a package that may be missing.

    Args:
        module: Name of the module, such as ``pyarrow.parquet``.
        package: Name of the package that `pip` installs.
        purpose: What needs it, as the start of a sentence.

    Raises:
        ConfigError: If the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        # A package that is installed but misses a part of its own is another fault.
        if error.name is None or error.name.split(".")[0] != module.split(".", maxsplit=1)[0]:
            raise
        raise ConfigError(f"{purpose} needs the package {package}, which is not installed.", INSTALL_HINT) from None


def extra_folder(module: str, package: str, purpose: str) -> Path:
    """Return the folder of a package without importing it.

    Raises:
        ConfigError: If the package is not installed.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"{purpose} needs the package {package}, which is not installed.", INSTALL_HINT)
    return Path(next(iter(spec.submodule_search_locations)))
