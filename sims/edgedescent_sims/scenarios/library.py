"""The library of scenarios that ships with the simulators: one TOML file each, in the folder beside this file."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from edgedescent.errors import ConfigError, did_you_mean
from edgedescent_sims.scenarios.files import load_scenario
from edgedescent_sims.scenarios.scenario import Scenario

FOLDER = Path(str(files("edgedescent_sims.scenarios"))) / "library"


def names() -> list[str]:
    """Names of the scenarios, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def has(name: str) -> bool:
    """True if the library has a scenario of this name."""
    return name in names()


def load(name: str) -> Scenario:
    """Load a scenario of the library.

    Raises:
        ConfigError: If there is none of this name.
    """
    if not has(name):
        raise unknown(name)
    return load_scenario(FOLDER / f"{name}.toml")


def unknown(name: str) -> ConfigError:
    """Error for a name that is neither a scenario nor a file."""
    return ConfigError(
        f"There is no scenario and no file {name!r}.",
        did_you_mean(name, names()) or "See them with: edgedescent simulate --list",
    )
