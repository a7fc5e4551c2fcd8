"""The library of scenarios that ships with the simulators: one TOML file each, in the folder beside this file."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from edgedescent.errors import ConfigError, did_you_mean
from edgedescent_sims.faults import Fault
from edgedescent_sims.scenarios.files import load_scenario
from edgedescent_sims.scenarios.scenario import Scenario

FOLDER = Path(str(files("edgedescent_sims.scenarios"))) / "library"

DRIFTS, FAULTS, RECOMMENDERS = "Drifts of regression", "Faults", "Recommenders"
"""Groups of scenarios, in the order in which they are shown."""


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


def group_of(scenario: Scenario) -> str:
    """Group of a scenario: that of recommenders, of those with a fault, or of drifts."""
    if scenario.kind == "ratings":
        return RECOMMENDERS
    return FAULTS if any(isinstance(transform, Fault) for transform in scenario.transforms()) else DRIFTS


def grouped(scenarios: Iterable[Scenario]) -> dict[str, list[Scenario]]:
    """Scenarios by group, in the order in which they are shown."""
    groups: dict[str, list[Scenario]] = {name: [] for name in (DRIFTS, FAULTS, RECOMMENDERS)}
    for scenario in scenarios:
        groups[group_of(scenario)].append(scenario)
    return {name: members for name, members in groups.items() if members}
